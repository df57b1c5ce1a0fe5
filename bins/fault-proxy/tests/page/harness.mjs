// What the tests of the page share: servers, traffic, and a browser. They run as `node TEST.mjs BINARY SCREENSHOTS_DIRECTORY`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(join(process.env.NODE_PATH, "none.cjs"));
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core"), "utf8");
const [binary, screenshots] = process.argv.slice(2);

const PATIENCE = 60_000;
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };
const ends = [];
const served = [];
// Ports of proxies. A script that is run by hand leaves them to the system.
const ports = process.env.PORTS?.split(" ");

// Starts `fault-proxy run` with a control API. It ends with the test, and by itself if the test is killed.
export async function serve(...options) {
  const args = ["run", "--control", "127.0.0.1:0", "--duration", "15m", ...options];
  const child = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"] });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const stop = async () => { child.kill(); await exited; };
  ends.push(stop);
  const url = await new Promise((resolve, reject) => {
    const log = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      const [, found] = /control API on (http:\/\/\S+)/.exec(line) ?? [];
      if (found) resolve(found.replace(/\/$/, ""));
    });
    exited.then((code) => reject(new Error(`fault-proxy ends with ${code}: ${log.join("\n")}`)));
  });
  served.push(url);
  const send = async (method, path, body) => {
    const response = await fetch(url + path, { method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json", "User-Agent": "test-suite/1.0" } });
    const text = await response.text();
    assert(response.ok, `${method} ${path} ${JSON.stringify(body)}: ${text}`);
    return text ? JSON.parse(text) : null;
  };
  const create = async (name, upstream, toxics = []) => {
    assert(!ports || ports.length > 0, "PORTS has a port for each proxy");
    const port = ports?.shift() ?? 0;
    const { listen } = await send("POST", "/proxies", { name, listen: `127.0.0.1:${port}`, upstream, toxics });
    return Number(listen.split(":").at(-1));
  };
  return { url, stop, send, create };
}

// The port of a server that sends back what it receives.
export async function echo() {
  const server = net.createServer((socket) => { socket.on("error", () => {}); socket.pipe(socket); });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(() => server.close());
  return server.address().port;
}

// A session that sends `bytes` each time that as many have come back, after a pause.
export function client(port, bytes = 100, pause = 20) {
  let received = 0;
  const socket = net.connect(port, "127.0.0.1", () => socket.write(Buffer.alloc(bytes)));
  socket.on("error", () => {});
  socket.on("data", ({ length }) => {
    received += length;
    if (received < bytes) return;
    received = 0;
    setTimeout(() => socket.writable && socket.write(Buffer.alloc(bytes)), pause);
  });
  ends.push(() => socket.destroy());
  return socket;
}

// A session that is opened and ends, whatever becomes of it.
export function attempt(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {}).on("close", resolve).resume();
  });
}

export async function eventually(what, done) {
  const deadline = Date.now() + PATIENCE;
  while (!(await done())) {
    assert(Date.now() < deadline, `not within ${PATIENCE} ms: ${what}`);
    await sleep(50);
  }
}

// Runs in the page. Returns the pairs of labels of the axes of a chart between which there is no gap.
export function touchingLabels() {
  const GAP = 3;
  return [...document.querySelectorAll("svg.chart")].flatMap((chart) => {
    const labels = [...chart.querySelectorAll("text:not(.mark)")].map((text) => [text.textContent, text.getBoundingClientRect()]).filter(([, { width }]) => width > 0);
    return labels.flatMap(([one, a], index) => labels.slice(index + 1)
      .filter(([, b]) => a.left < b.right + GAP && b.left < a.right + GAP && a.top < b.bottom && b.top < a.bottom)
      .map(([other]) => `${one} | ${other}`));
  });
}

// Runs in the page. Returns the texts in which a line can break between a number and its unit.
export function breakableQuantities() {
  const QUANTITY = /\d (?:[kKmMgG]?bit|[kKMGT]?i?B\b|[mµ]?s\b|min\b|h\b)/;
  const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (all.nextNode()) {
    const { parentElement: parent, textContent: text } = all.currentNode;
    const isShown = parent.checkVisibility() && !parent.closest("svg, code, pre, option, .unseen");
    if (isShown && QUANTITY.test(text) && !getComputedStyle(parent).whiteSpace.includes("nowrap")) found.push(text);
  }
  return found;
}

// Runs in the page. Returns the columns of numbers in which figures of one unit have different decimals.
export function unevenDecimals() {
  const units = {};
  for (const cell of document.querySelectorAll("table td:is(.number, .rate, .delay)")) {
    const column = `${cell.closest("section").id} ${cell.closest("table").parentElement.className} ${cell.dataset.label}`;
    for (const [text, decimals, unit] of cell.innerText.matchAll(/[\d,]+(?:\.(\d+))? ?([KMGT]?B(?:\/s)?|[mµ]?s|%)/g)) {
      (units[`${column} ${unit}`] ??= new Map()).set(decimals?.length ?? 0, text);
    }
  }
  return Object.entries(units).filter(([, each]) => each.size > 1).map(([column, each]) => `${column}: ${[...each.values()].join(", ")}`);
}

// Looks at the page in each scheme and size: a screenshot, no violation of axe-core, no number apart from its unit, even decimals, and
// nothing that is wider than a narrow window.
export async function look(page, name) {
  // A dialog and its backdrop cover the viewport only.
  const hasDialog = await page.locator("dialog[open]").count() > 0;
  await page.mouse.move(0, 0); // no row is marked as the one under the mouse
  const kinds = [["light", "light", WIDE], ["dark", "dark", WIDE], ["narrow", "light", NARROW]];
  const show = async (colorScheme, size) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await page.evaluate(() => scrollTo(0, 0));
    await sleep(100); // charts are drawn in their new size
  };
  // All pictures come before the checks, which take so long that a message would disappear.
  for (const [kind, colorScheme, size] of kinds) {
    await show(colorScheme, size);
    await page.screenshot({ path: join(screenshots, `${name}-${kind}.png`), fullPage: !hasDialog });
  }
  for (const [kind, colorScheme, size] of kinds) {
    await show(colorScheme, size);
    const { width, innerWidth } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, innerWidth: document.documentElement.clientWidth }));
    assert(width <= innerWidth, `${name}, ${kind}: ${width} px are wider than ${innerWidth} px`);
    const scrolling = await page.evaluate(() => [...document.querySelectorAll(".scroll")].filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.outerHTML));
    assert.deepEqual(scrolling, [], `${name}, ${kind}: tables do not scroll sideways`);
    assert.deepEqual(await page.evaluate(touchingLabels), [], `${name}, ${kind}: labels of charts do not touch`);
    assert.deepEqual(await page.evaluate(breakableQuantities), [], `${name}, ${kind}: numbers and their units are in one line`);
    assert.deepEqual(await page.evaluate(unevenDecimals), [], `${name}, ${kind}: figures of one unit have the same decimals`);
    // Playwright evaluates outside of the page's content security policy.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join("\n")}`);
    assert.equal(violations.length, 0, `${name}, ${kind}:\n${told.join("\n")}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(WIDE);
}

// Runs a test with a new page. The page must not log an error, other than for a status in `statuses`, nor load anything from another server.
export async function test(run, statuses = []) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
  try {
    const context = await browser.newContext({ viewport: WIDE, colorScheme: "light" });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const problems = [];
    page.on("console", (message) => {
      if (message.type() === "error" && !statuses.some((status) => message.text().includes(String(status)))) problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith("data:") && !served.some((of) => url.startsWith(`${of}/`))) problems.push(`loads ${url}`);
    });
    await run(page);
    assert.deepEqual(problems, []);
    console.log("done");
  } finally {
    await browser.close();
    for (const end of ends) await end();
  }
}
