// Stands between a client and an API server, ends TLS on both sides, and
// misbehaves as it is told.
//
//   node faulty_proxy.mjs CERTIFICATE KEY AUTHORITY SERVER-PORT
//
// Prints {"port": ..., "control": ...}.  The control port takes, in plain HTTP:
//   POST /fault  {"method", "path", "status", "headers", "body"}: the next
//                request of that method whose path contains `path` is answered
//                so, and not passed on
//                With "lose" in place of a status it is passed on, and its answer
//                is lost with the connection; with "hold" it waits for /release
//   POST /release  passes on what is held
//   POST /reset  ends every connection with a reset
//   POST /stall  passes on nothing until POST /flow
//   GET  /left   the faults that nobody has met yet
//   GET  /held   how many requests are held
//   GET  /requests  what has come in so far, [method, path] each
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const [certificate, key, authority, port] = process.argv.slice(2);
const ca = readFileSync(authority);
let faults = [];
let waiting = [];
let stalled = false;
let held = [];
const requests = [];
const sockets = new Set();

const onward = (request, response, { lose = false, body } = {}) => {
  const options = { host: "127.0.0.1", port, ca, method: request.method, path: request.url, headers: request.headers };
  const sent = https.request(options, (answer) => {
    if (lose) {
      answer.resume();
      answer.on("end", () => request.socket.destroy());
      return;
    }
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.on("error", () => response.destroy());
    answer.on("aborted", () => response.destroy());
    answer.pipe(response);
  });
  sent.on("error", () => response.destroy());
  if (!lose) response.on("close", () => sent.destroy());
  if (body) sent.end(body);
  else request.pipe(sent);
};

// Also what its client has given up by then goes on.
const hold = (request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => held.push(() => onward(request, response, { body: Buffer.concat(parts) })));
};

const pass = (request, response) => {
  const at = faults.findIndex((f) => f.method === request.method && request.url.includes(f.path));
  if (at >= 0) {
    const [fault] = faults.splice(at, 1);
    if (fault.lose) return onward(request, response, { lose: true });
    if (fault.hold) return hold(request, response);
    response.writeHead(fault.status, { "Content-Type": "application/json", ...fault.headers });
    response.end(fault.body ?? "");
    return;
  }
  onward(request, response);
};

const server = https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
  requests.push([request.method, request.url]);
  if (stalled) waiting.push(() => pass(request, response));
  else pass(request, response);
});
server.on("connection", (socket) => {
  sockets.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => sockets.delete(socket));
});

const control = http.createServer((request, response) => {
  let text = "";
  request.on("data", (part) => (text += part));
  request.on("end", () => {
    if (request.url === "/fault") faults.push(JSON.parse(text));
    if (request.url === "/reset") for (const socket of sockets) socket.resetAndDestroy();
    if (request.url === "/stall") stalled = true;
    if (request.url === "/flow") {
      stalled = false;
      for (const go of waiting.splice(0)) go();
    }
    if (request.url === "/release") for (const go of held.splice(0)) go();
    const shown = { "/held": held.length, "/requests": requests };
    response.end(JSON.stringify(shown[request.url] ?? faults));
  });
});

server.listen(0, "127.0.0.1", () =>
  control.listen(0, "127.0.0.1", () =>
    console.log(JSON.stringify({ port: server.address().port, control: control.address().port })),
  ),
);
