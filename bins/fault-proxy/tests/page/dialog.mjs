// Uses the dialog of faults as a person would, in a headless browser: dialog.mjs PAGE_URL SCREENSHOTS_DIRECTORY TEXTS_FILE [TOKEN].
// With a token, it only reads the texts of one fault. TEXTS_FILE becomes a list of `{ what, proxy, texts, faults }`: what
// the dialog shows as the command, the call and the file of some faults, and the faults that it has added, as the API writes them.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { breakableQuantities } from "./harness.mjs";

const modules = createRequire(join(process.env.NODE_PATH, "none.cjs"));
const { chromium } = modules("playwright-core");
const AXE = readFileSync(modules.resolve("axe-core/axe.min.js"), "utf8");
const [page_url, screenshots, texts_file, token] = process.argv.slice(2);
const PATIENCE = Number(process.env.PATIENCE ?? 60_000);
const ODD_NAME = "it's \"5 %\" $slow";
const ON = { psql: "commit", http: "POST /orders/*", redis: "SET session:*" };
const SAMPLES = { time: "30ms", bytes: "64KiB", share: "1%", number: "5", rate: "500kbit/s" };

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light", permissions: ["clipboard-read", "clipboard-write"] });
const page = await context.newPage();
page.setDefaultTimeout(PATIENCE);
const problems = [];
page.on("console", (message) => { if (message.type() === "error" && !/40[0149]/.test(message.text())) problems.push(message.text()); });
page.on("pageerror", (error) => problems.push(String(error)));

const dialog = page.getByRole("dialog");
const api = async (method, path, body) => {
  const response = await fetch(new URL(path, page_url), { method, body: body && JSON.stringify(body) });
  const text = await response.text();
  assert(response.ok, `${method} ${path}: ${text}`);
  return text ? JSON.parse(text) : null;
};
const toxics = (proxy) => `/proxies/${encodeURIComponent(proxy)}/toxics`;
// Opens the dialog with what the page gives it: the latest state of a proxy and of its fault, and functions that send and tell.
async function open(proxy, fault) {
  await page.evaluate(async ([proxy, fault]) => {
    const token = sessionStorage.getItem("fault-proxy-token");
    const headers = { "X-Fault-Proxy-Page": "1", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const change = async (method, path, body) => {
      const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
      const answer = await response.json();
      return response.ok ? { answer } : { problem: answer.error };
    };
    const events = (await fetch("/events", { headers })).body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\n\n")) text += (await events.read()).value;
    events.cancel();
    const state = JSON.parse(text.slice(text.indexOf("{"))).proxies.find(({ name }) => name === proxy);
    const { openFaultDialog } = await import("/dialog.js");
    window.told = null;
    window.isClosed = false;
    openFaultDialog({
      proxy: state, fault: state.faults.find(({ name }) => name === fault), change, messages: { notify: (told) => { window.told = told; } },
    }).then(() => { window.isClosed = true; });
  }, [proxy, fault]);
  await dialog.waitFor();
}
const isClosed = () => page.waitForFunction(() => window.isClosed);
const close = () => Promise.all([isClosed(), page.keyboard.press("Escape")]);
const field = (name) => dialog.locator(`[data-name=${name}] :is(input, select)`);
const texts = async () => Object.fromEntries(await Promise.all(["ctl", "curl", "toml"].map(async (form) =>
  [form, await dialog.locator(`[data-form=${form}]`).evaluate((element) => element.textContent)])));
const oneLine = (text) => text.replaceAll(" \\\n ", "");
const highlighted = () => dialog.locator("footer .primary").allInnerTexts();
const send = async () => {
  await dialog.locator("button.primary").click();
  await page.waitForFunction(() => window.isClosed || document.querySelector(".fault-dialog .problem:not(:empty)"));
  if (!(await page.evaluate(() => window.isClosed))) assert.fail(await dialog.locator(".problem:not(:empty)").first().innerText());
};

async function checked(name) {
  await page.evaluate(AXE);
  for (const [mode, scheme, width] of [["light", "light", 1280], ["dark", "dark", 1280], ["narrow", "light", 390]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: join(screenshots, `dialog-${name}-${mode}.png`) });
    const { violations } = await page.evaluate(() => window.axe.run(document.querySelector("dialog")));
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], `${name}, ${mode}`);
    assert.deepEqual(await page.evaluate(breakableQuantities), [], `${name}, ${mode}: numbers and their units are in one line`);
    const [over, inside] = await page.evaluate(() => [document.documentElement, document.querySelector("dialog .body")].map((each) => each.scrollWidth - each.clientWidth));
    if (width !== 390) continue;
    assert.deepEqual([over, inside], [0, 0], `${name} does not scroll sideways`);
    await dialog.getByRole("button", { name: "Copy" }).scrollIntoViewIfNeeded();
    await page.screenshot({ path: join(screenshots, `dialog-${name}-narrow-preview.png`) });
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

// Fills the fields that a type shows first. Bytes, rows and events exclude each other, and a fault on requests has no scope.
async function fill(type, protocol) {
  for (const { name, type: kind, help, choices } of type.attributes.filter(({ main }) => main)) {
    const input = field(name);
    if (["at", "rows", "events", "after_bytes"].includes(name) || (protocol && name === "scope") || !(await input.count()) || !(await input.isVisible())) continue;
    if (choices.length > 0) await input.selectOption({ index: (await input.locator("option").count()) - 1 });
    else await input.fill(name === "on" ? ON[protocol] : SAMPLES[kind] && !/ STATUS|HTTP, for/.test(help) ? SAMPLES[kind] : help.match(/for example ([^,]+)/)[1]);
  }
}

const records = [];

async function record(what, proxy) {
  const shown = await texts();
  await send();
  const raw = await (await fetch(new URL(toxics(proxy), page_url))).text();
  records.push({ what, proxy, texts: shown, faults: raw });
  for (const { name } of JSON.parse(raw)) await api("DELETE", `${toxics(proxy)}/${encodeURIComponent(name)}`);
}

async function withToken() {
  await page.goto(page_url);
  await page.evaluate((value) => sessionStorage.setItem("fault-proxy-token", value), token);
  await open("plain");
  await field("mean").fill("300ms");
  await dialog.getByText("The commands read the token").waitFor();
  records.push({ what: "with a token", proxy: "plain", texts: await texts(), faults: "[]" });
}

async function errors() {
  console.log("a missing field is marked before it is sent");
  const posts = [];
  const onRequest = (request) => { if (request.method() === "POST") posts.push(request.url()); };
  page.on("request", onRequest);
  await open("plain");
  assert.equal(await page.evaluate(() => document.activeElement.labels[0].textContent), "Type", "the focus is where a fault begins");
  assert.equal((await texts()).ctl, "# Not a valid fault yet: Mean is required, for example 300ms");
  assert(await dialog.getByRole("button", { name: "Copy" }).isDisabled());
  const isNeeded = async (name) => [await field(name).evaluate(({ required }) => required), await dialog.locator(`[data-name=${name}] .needed`).isVisible()];
  assert.deepEqual([await isNeeded("mean"), await isNeeded("stddev")], [[true, true], [false, false]]);
  await dialog.getByLabel("Type").selectOption("packet_loss");
  assert.deepEqual(await isNeeded("rate"), [false, false], "the default of the model is markov without a rate");
  assert.match((await texts()).ctl, /^fault-proxy /);
  await dialog.getByText("More").click();
  await field("model").selectOption("bernoulli");
  assert.deepEqual(await isNeeded("rate"), [true, true]);
  assert.equal((await texts()).ctl, "# Not a valid fault yet: Rate is required, for example 0.01");
  await dialog.getByLabel("Type").selectOption("latency");
  await dialog.locator("button.primary").click();
  await dialog.locator("[data-name=mean] .problem", { hasText: "Mean is required, for example 300ms" }).waitFor();
  assert.equal(await field("mean").getAttribute("aria-invalid"), "true");
  assert.equal(await page.evaluate(() => document.activeElement.name), "mean");
  await checked("error");
  assert.deepEqual(posts, []);
  page.off("request", onRequest);

  console.log("a field error marks the field and says what is wrong");
  await field("mean").fill("300");
  await dialog.getByText("More").click();
  await field("schedule").fill("tomorrow");
  await dialog.getByText("More").click();
  await dialog.locator("button.primary").click();
  await dialog.locator("[data-name=schedule] .problem:not(:empty)").waitFor();
  assert(await field("schedule").isVisible(), "a field behind More is shown");
  assert.equal((await texts()).ctl, "# Not a valid fault yet: Schedule: unknown word: expected 'start' or 'duration'");
  assert.equal(await field("mean").getAttribute("aria-invalid"), null);
  assert(!(await dialog.innerText()).includes("with on"), "it offers no faults on requests");
  await checked("more");
  await field("schedule").fill("");
  await field("toxicity").fill("150%");
  await dialog.locator("button.primary").click();
  await dialog.locator("[data-name=toxicity] .problem", { hasText: "\"150%\" is not a share" }).waitFor();
  await close();
  assert.equal(await page.evaluate(() => window.isClosed), true);
  assert.deepEqual(await api("GET", toxics("plain")), []);
}

async function single() {
  console.log("with the keyboard alone");
  await open("plain");
  await page.keyboard.press("Tab");
  await page.keyboard.type("300ms");
  assert.match(oneLine((await texts()).ctl), /fault add plain latency mean=300ms/);
  await checked("add");
  await dialog.getByRole("button", { name: "Copy" }).click();
  await dialog.getByText("Copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), (await texts()).ctl);
  await dialog.getByRole("tab", { name: "ctl" }).focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "TOML");
  await dialog.getByRole("tabpanel").filter({ hasText: "[[proxies.faults]]" }).waitFor();
  await checked("toml");
  await field("mean").press("Enter");
  await isClosed();
  assert.deepEqual(await page.evaluate(() => [window.told, window.isClosed]), ["latency_downstream is added.", true]);

  console.log("a fault is changed");
  await open("plain", "latency_downstream");
  assert.equal(await field("mean").inputValue(), "300ms");
  assert.match((await texts()).curl, /no change/);
  await field("stddev").fill("40");
  await field("times").fill("2");
  await field("direction").selectOption("both");
  assert.match(oneLine((await texts()).ctl), /fault update plain latency_downstream stddev=40ms times=2 direction=both$/);
  await checked("change");
  await send();
  const [changed] = await api("GET", toxics("plain"));
  assert.deepEqual(changed.attributes, { direction: "both", mean: 300, stddev: 40, times: 2 });
  await open("plain", "latency_downstream");
  await field("times").fill("");
  const { ctl } = await texts();
  assert.match(oneLine(ctl), /fault remove .*\n.*fault add /, "ctl cannot remove an attribute");
  await send();
  assert.equal((await api("GET", toxics("plain")))[0].attributes.times, undefined);
  await api("DELETE", `${toxics("plain")}/latency_downstream`);

  console.log("a type with a hyphen, and a table of a file");
  await api("POST", toxics("plain"), { type: "packet-loss", name: "lossy", attributes: { rate: 0.01 } });
  await open("plain", "lossy");
  await field("rate").fill("2%");
  assert.match((await texts()).toml, /type = "packet-loss"\nname = "lossy"\nrate = "2%"/);
  await send();
  assert.equal((await api("GET", toxics("plain")))[0].attributes.rate, "2%");
  await api("DELETE", `${toxics("plain")}/lossy`);
  await open("from a file", "latency");
  assert.equal(await field("distribution").inputValue(), "table");
  await field("times").fill("3");
  assert.match(oneLine((await texts()).ctl), /fault update 'from a file' latency times=3$/);
  assert.match((await texts()).toml, /table = ".*delays.csv"/);
  await dialog.locator("button.primary").click();
  await dialog.getByRole("alert").filter({ hasText: "files are not read here" }).waitFor();
  await close();

  console.log("a name that exists");
  await api("POST", toxics("plain"), { type: "refuse", name: "there" });
  await open("plain");
  await dialog.getByLabel("Type").selectOption("refuse");
  await dialog.getByText("More").click();
  await field("name").fill("there");
  await dialog.locator("button.primary").click();
  await dialog.locator("[data-name=name] .problem", { hasText: "A fault with this name already exists: use another name" }).waitFor();
  await close();
  await api("DELETE", `${toxics("plain")}/there`);

  console.log("a toxic of Toxiproxy keeps its units");
  await api("POST", toxics("plain"), { type: "latency", name: "toxic", attributes: { latency: 5 } });
  await open("plain", "toxic");
  await field("latency").fill("7");
  await send();
  assert.deepEqual((await api("GET", toxics("plain")))[0].attributes, { jitter: 0, latency: 7 });
  await api("DELETE", `${toxics("plain")}/toxic`);
}

async function presets() {
  const { PRESETS } = await page.evaluate(() => import("/presets.js"));
  for (const { id, label, source, faults } of PRESETS) {
    console.log(`the preset ${label}`);
    await open("plain");
    await dialog.getByText(label, { exact: true }).click();
    assert.equal(await dialog.getByRole("link").getAttribute("href"), source.url);
    if (["3g", "dead-upstream"].includes(id)) await checked(`preset-${id}`);
    if (id === "3g") await dialog.screenshot({ path: join(screenshots, "dialog-alone.png") });
    if (id === "lte") await dialog.locator("[name=preset-ttl]").fill("5m");
    await record(id, "plain");
    assert.deepEqual(JSON.parse(records.at(-1).faults).map(({ name }) => name).sort(), faults.map(({ name }) => name).sort());
  }
  console.log("a preset with a name that is taken");
  await api("POST", toxics("plain"), { type: "refuse", name: "3g-requests" });
  await open("plain");
  await dialog.getByText("3G", { exact: true }).click();
  await dialog.locator("button.primary").click();
  await dialog.getByRole("alert").filter({ hasText: "A fault named 3g-requests already exists. Close this dialog and remove it first. Nothing was added." }).waitFor();
  assert.deepEqual(await highlighted(), ["Cancel"]);
  await checked("preset-taken");
  assert.equal((await api("GET", toxics("plain"))).length, 1);
  await close();
  await api("DELETE", `${toxics("plain")}/3g-requests`);

  console.log("a preset with a value that is refused");
  await open("plain");
  await dialog.getByText("3G", { exact: true }).click();
  await dialog.locator("[name=preset-ttl]").fill("soon");
  assert.deepEqual(await highlighted(), ["Add 3 faults"]);
  await dialog.locator("button.primary").click();
  await dialog.getByRole("alert").filter({ hasText: "3g-latency was refused: " }).waitFor();
  assert.deepEqual(await highlighted(), [], "the value is to be changed first");
  await dialog.locator("[name=preset-ttl]").fill("5m");
  assert.deepEqual(await highlighted(), ["Add 3 faults"]);
  await close();
  assert.deepEqual(await api("GET", toxics("plain")), []);

  console.log("a preset that is refused in the middle");
  await open("plain");
  await api("POST", toxics("plain"), { type: "refuse", name: "3g-requests" });
  await dialog.getByText("3G", { exact: true }).click();
  await dialog.locator("button.primary").click();
  await dialog.getByRole("alert").filter({ hasText: "A fault named 3g-requests already exists. 3g-latency and 3g-responses are added. Close this dialog, remove 3g-latency, 3g-responses and 3g-requests, then add the preset again." }).waitFor();
  assert.equal(await dialog.locator("tr.added").count(), 2);
  assert.equal(await dialog.locator("tr.refused").innerText().then((text) => text.replaceAll(/\s+/g, " ")), "3g-requests ✗ already exists bandwidth of requests: rate 768 kbit/s, scope proxy");
  assert(await dialog.getByRole("button", { name: "Close", exact: true }).last().isVisible(), "there is nothing to cancel");
  assert.deepEqual(await highlighted(), ["Close"]);
  await checked("preset-refused");
  await api("DELETE", `${toxics("plain")}/3g-requests`);
  assert(!(await texts()).ctl.includes("3g-latency"), "it is there already");
  await dialog.locator("[name=preset-ttl]").fill("5m");
  assert.deepEqual(await highlighted(), ["Add fault"], "the next attempt is another one");
  await dialog.locator("[name=preset-ttl]").fill("");
  await send();
  assert.equal((await api("GET", toxics("plain"))).length, 3);
  for (const { name } of await api("GET", toxics("plain"))) await api("DELETE", `${toxics("plain")}/${name}`);
}

async function types(proxy, protocol) {
  const all = await api("GET", "/fault-types");
  await open(proxy);
  const offered = await dialog.getByLabel("Type").locator("option").evaluateAll((options) => options.map(({ value }) => value));
  await close();
  assert.equal(offered.includes("respond"), protocol !== null);
  for (const type of all.filter(({ type: name }) => offered.includes(name))) {
    if (protocol && !type.attributes.some(({ name }) => name === "on")) continue;
    await open(proxy);
    await dialog.getByLabel("Type").selectOption(type.type);
    assert.equal(await field("on").count(), Number(protocol !== null && type.attributes.some(({ name }) => name === "on")));
    if (protocol) await field("on").fill(ON[protocol]);
    await fill(type, protocol);
    await field("ttl").fill("5m");
    await dialog.getByText("More").click();
    await field("name").fill(ODD_NAME);
    await field("toxicity").fill("50%");
    if (["lose_response", "packet_loss"].includes(type.type)) {
      await dialog.locator(".body").evaluate((body) => { body.scrollTop = 0; });
      await checked(`type-${type.type}`);
    }
    console.log(`${type.type} of ${proxy}`);
    await record(type.type, proxy);
  }
}

try {
  if (token) {
    await withToken();
  } else {
    await page.goto(page_url);
    await errors();
    await single();
    await presets();
    await types("plain", null);
    for (const protocol of ["psql", "http", "redis"]) await types(`it's ${protocol}`, protocol);
  }
  writeFileSync(texts_file, JSON.stringify(records));
  assert.deepEqual(problems, []);
  console.log("done");
} finally {
  await browser.close();
}
