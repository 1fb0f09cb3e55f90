// Stands between a client and an API server, ends TLS on both sides, and
// misbehaves as it is told.
//
//   node faulty_proxy.mjs CERTIFICATE KEY AUTHORITY SERVER-PORT
//
// Prints {"port": ..., "control": ...}.  The control port takes, in plain HTTP:
//   POST /fault  {"method", "path", "status", "headers", "body"}: the next
//                request of that method whose path contains `path` is answered
//                so, and not passed on
//   POST /reset  ends every connection with a reset
//   POST /stall  passes on nothing until POST /flow
//   GET  /left   the faults that nobody has met yet
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const [certificate, key, authority, port] = process.argv.slice(2);
const ca = readFileSync(authority);
let faults = [];
let waiting = [];
let stalled = false;
const sockets = new Set();

const pass = (request, response) => {
  const at = faults.findIndex((f) => f.method === request.method && request.url.includes(f.path));
  if (at >= 0) {
    const [fault] = faults.splice(at, 1);
    response.writeHead(fault.status, { "Content-Type": "application/json", ...fault.headers });
    response.end(fault.body ?? "");
    return;
  }
  const options = { host: "127.0.0.1", port, ca, method: request.method, path: request.url, headers: request.headers };
  const onward = https.request(options, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.on("error", () => response.destroy());
    answer.on("aborted", () => response.destroy());
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
};

const server = https.createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
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
    response.end(JSON.stringify(faults));
  });
});

server.listen(0, "127.0.0.1", () =>
  control.listen(0, "127.0.0.1", () =>
    console.log(JSON.stringify({ port: server.address().port, control: control.address().port })),
  ),
);
