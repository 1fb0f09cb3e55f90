"""A headless Chromium, spoken to by its DevTools protocol."""

import base64
import json
import os
import time

import websocket  # Debian's python3-websocket

from parts import Failed, get, wait_for

# What a page looks like to a reader, and what is wrong with that.  Everything
# that can be unfolded is.
EXAMINE = r"""
(() => {
  const problems = [];
  document.querySelectorAll('details').forEach(one => { one.open = true; });
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth)
    problems.push(`wider than the screen: ${root.scrollWidth} > ${root.clientWidth}`);

  // Colours, as [red, green, blue, alpha].
  const known = new Map();
  const parse = text => {
    if (known.has(text)) return known.get(text);
    let parts = text.match(/^rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)$/);
    if (parts) parts = [+parts[1], +parts[2], +parts[3], parts[4] === undefined ? 1 : +parts[4]];
    known.set(text, parts);
    return parts;
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  // What is painted behind the text of `element`: of itself and its ancestors
  // in HTML, and in a picture by whatever lies there.
  const behind = (element, x, y) => {
    const style = getComputedStyle(element);
    if (element.closest('svg')) {
      // Text in pictures has an outline, in the colour of what it stands on.
      if (style.paintOrder.startsWith('stroke') && style.stroke !== 'none') return parse(style.stroke);
      for (const other of document.elementsFromPoint(x, y)) {
        if (other === element || element.contains(other) || other.contains(element)) continue;
        if (!(other instanceof SVGGeometryElement)) break;
        const fill = getComputedStyle(other).fill;
        if (fill !== 'none' && parse(fill)) return parse(fill);
        if (fill.startsWith('url')) return null;
      }
    }
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (!colour) return null;
      if (colour[3] === 1) return colour;
      if (colour[3] !== 0) return null;
    }
    return null;  // nothing of ours: the browser's own
  };

  let texts = 0;
  const drawn = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || ['TITLE', 'DESC', 'STYLE'].includes(element.tagName.toUpperCase())) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter(box => box.width > 0);
    if (boxes.length === 0) continue;
    texts += 1;
    const said = JSON.stringify(node.data.trim().slice(0, 60));
    for (const box of boxes) {
      if (box.left < -0.5 || box.right > root.clientWidth + 0.5)
        problems.push(`cut off at ${Math.round(box.left)} to ${Math.round(box.right)}: ${said}`);
    }
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      if ((style.overflowX !== 'visible' && one.scrollWidth > one.clientWidth + 1 && one !== root && one !== document.body)
          || style.textOverflow === 'ellipsis')
        problems.push(`clipped by ${one.tagName}.${one.className}: ${said}`);
      if (style.opacity !== '1') problems.push(`faded: ${said}`);
    }
    const style = getComputedStyle(element);
    if (parseFloat(style.fontSize) < 12) problems.push(`small, ${style.fontSize}: ${said}`);
    const svg = element.closest('svg');
    const colour = parse(svg ? style.fill : style.color);
    if (svg) {
      svg.scrollIntoView({block: 'center'});
      drawn.push([element, said]);
    }
    const box = range.getBoundingClientRect();
    const ground = behind(element, box.left + box.width / 2, box.top + box.height / 2);
    if (!colour || !ground) problems.push(`no telling the colours of ${said}: ${style.color} ${style.fill}`);
    else if (contrast(colour, ground) < 4.5)
      problems.push(`contrast ${contrast(colour, ground).toFixed(2)}: ${said}, ${colour} on ${ground}`);
  }
  // Words in pictures do not lie on one another, nor do cells of tables.
  for (let i = 0; i < drawn.length; ++i) {
    for (let j = i + 1; j < drawn.length && j < i + 20; ++j) {
      const [a, b] = [drawn[i][0].getBoundingClientRect(), drawn[j][0].getBoundingClientRect()];
      if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
        problems.push(`${drawn[i][1]} lies on ${drawn[j][1]}`);
    }
  }
  window.scrollTo(0, 0);

  // What those need who do not see it.
  const heads = [...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.tagName[1]);
  if (heads.filter(level => level === 1).length !== 1) problems.push('not one h1');
  heads.forEach((level, i) => { if (i > 0 && level > heads[i - 1] + 1) problems.push(`h${level} after h${heads[i - 1]}`); });
  if (!document.title || !root.lang || !document.querySelector('main')) problems.push('no title, language or main');
  const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
  if (new Set(ids).size !== ids.length) problems.push('ids that are not unique');
  document.querySelectorAll('svg').forEach(one => {
    if (one.parentElement.closest('svg') || one.getAttribute('aria-hidden') === 'true') return;
    const labels = (one.getAttribute('aria-labelledby') || '').split(' ').map(id => document.getElementById(id));
    if (one.getAttribute('role') !== 'img' || labels.length !== 2 || labels.some(l => !l || !l.textContent))
      problems.push('a picture without words');
  });
  document.querySelectorAll('table').forEach(one => {
    if (!one.querySelector('thead th[scope=col]') || one.querySelector('tbody tr') && !one.querySelector('tbody th[scope=row]'))
      problems.push('a table without headers');
  });
  // What must not be there at all.
  document.querySelectorAll('script,img,iframe,object,embed,link,form,input,base').forEach(
    one => problems.push(`an element ${one.tagName}`));
  document.querySelectorAll('*').forEach(one => {
    for (const attribute of one.attributes) {
      if (/^on/i.test(attribute.name) || attribute.name === 'style' || /^\s*javascript:/i.test(attribute.value))
        problems.push(`an attribute ${attribute.name}="${attribute.value}"`);
    }
  });
  return {problems: [...new Set(problems)].slice(0, 40), texts, tables: document.querySelectorAll('tbody tr').length,
          styled: getComputedStyle(document.body).maxWidth, ran: window.ran === undefined ? null : window.ran,
          text: document.body.innerText, height: root.scrollHeight,
          links: [...document.querySelectorAll('a')].map(one => one.href)};
})()
"""


class Browser:
    """One tab; `parts` ends it."""

    def __init__(self, parts):
        profile = parts.path("chromium")
        # As root there is no sandbox to be had, and in a container little shared memory.
        command = ["/usr/bin/chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", "--disable-extensions", "--disable-background-networking", "--hide-scrollbars",
                   "--force-color-profile=srgb", "--remote-debugging-port=0", "--user-data-dir=" + profile,
                   "about:blank"]
        process = parts.start("chromium", command, {"HOME": parts.folder})

        def port():
            parts.expect_running("chromium", process)
            with open(os.path.join(profile, "DevToolsActivePort"), encoding="utf-8") as file:
                return int(file.readline())
        address = f"http://127.0.0.1:{wait_for('Chromium', port)}/json/list"
        tab = wait_for("a tab", lambda: [one for one in json.loads(get(address)) if one["type"] == "page"])[0]
        self.socket = websocket.create_connection(tab["webSocketDebuggerUrl"], timeout=60, suppress_origin=True)
        self.number = 0
        self.events = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def _receive(self):
        return json.loads(self.socket.recv())

    def call(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = self._receive()
            if message.get("id") != self.number:
                self.events.append(message)
                continue
            if "error" in message:
                raise Failed(f"{method}: {message['error']}")
            return message["result"]

    def set_screen(self, width, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        """Returns the answer's status, and what the browser complained about."""
        self.events = []
        frame = self.call("Page.navigate", url=url)
        if "errorText" in frame:
            raise Failed(f"{url}: {frame['errorText']}")
        until = time.monotonic() + 60
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            if time.monotonic() > until:
                raise Failed(f"{url} does not load")
            self.events.append(self._receive())
        answers = [(event["params"]["type"], event["params"]["response"]) for event in self.events
                   if event.get("method") == "Network.responseReceived"]
        # Asked for where the page may not forbid it, and at any time.
        icon = "/favicon.ico"
        complaints = [event["params"]["entry"]["text"] for event in self.events
                      if event.get("method") == "Log.entryAdded"
                      and not event["params"]["entry"].get("url", "").endswith(icon)]
        complaints += [str(event["params"]) for event in self.events
                       if event.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")]
        complaints += [f"it asked for {answer['url']}" for kind, answer in answers
                       if kind != "Document" and not answer["url"].endswith(icon)]
        documents = [answer for kind, answer in answers if kind == "Document"]
        if len(documents) != 1:
            raise Failed(f"{url}: {len(documents)} documents")
        return documents[0], complaints

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in result:
            raise Failed(f"in the browser: {result['exceptionDetails']}")
        return result["result"].get("value")

    def screenshot(self, path, height):
        clip = {"x": 0, "y": 0, "width": self.evaluate("innerWidth"), "height": min(height, 6000), "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
