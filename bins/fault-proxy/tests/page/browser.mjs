// Uses the page as a person would, in a headless browser: browser.mjs PAGE_URL ROUND_TRIP_URL SCREENSHOTS_DIRECTORY HTTP_URL.
// ROUND_TRIP_URL answers with the latest round trip, in milliseconds, of a client that goes through the proxy all the time.
// HTTP_URL is that of a server behind the proxy `api`.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const { chromium } = createRequire(join(process.env.NODE_PATH, "none.cjs"))("playwright-core");
const [page_url, round_trip_url, screenshots, http_url] = process.argv.slice(2);
const PATIENCE = 60_000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

async function roundTrip() {
  return Number(await (await fetch(round_trip_url)).text());
}

async function eventually(what, done) {
  const deadline = Date.now() + PATIENCE;
  while (!(await done())) {
    assert(Date.now() < deadline, `not within ${PATIENCE} ms: ${what}`);
    await sleep(50);
  }
}

// "201 ms", "1.2 s" or "–".
function shownMillis(text) {
  if (text === "–") return null;
  return Number.parseFloat(text) * (text.endsWith(" ms") ? 1 : 1000);
}

try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const problems = [];
  const elsewhere = [];
  page.on("console", (message) => { if (message.type() === "error" && !message.text().includes("400")) problems.push(message.text()); });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(page_url) && !request.url().startsWith("data:")) elsewhere.push(request.url()); });
  page.on("dialog", (dialog) => dialog.accept());

  console.log("it is live");
  await page.goto(page_url);
  const proxy = page.locator("section.proxy", { has: page.getByRole("heading", { name: "proxy-1" }) });
  await proxy.getByRole("heading", { name: "proxy-1" }).waitFor();
  await page.getByText("live", { exact: true }).waitFor();
  const latency = proxy.locator(".latency-down");
  const shown = async () => shownMillis(await latency.innerText());
  const chart = () => proxy.getByRole("img", { name: /Added latency/ }).getAttribute("aria-label");

  const dialog = page.getByRole("dialog");
  const open = (of) => of.getByRole("button", { name: "Add a fault" }).click();
  const field = (name) => dialog.locator(`[data-name=${name}] :is(input, select)`);

  console.log("a latency of 200 ms");
  assert(await roundTrip() < 200, "nothing is slow yet");
  await open(proxy);
  await field("mean").fill("200ms");
  await page.keyboard.press("Enter");
  await proxy.getByRole("rowheader", { name: "latency_downstream" }).waitFor();
  await eventually("the round trip rises", async () => await roundTrip() >= 200);
  await eventually("the chart rises", async () => (await shown()) >= 150);
  assert.match(await chart(), /Responses: now \d+ ms/);
  await page.getByText("latency_downstream is added").waitFor();
  await proxy.getByText("Fidelity").click();
  await page.screenshot({ path: join(screenshots, "page-light.png"), fullPage: true });

  console.log("the change is listed with its client");
  await page.getByText(/^Changes: 1 by/).click();
  const change = page.locator("#changes tbody tr").filter({ hasText: "change faults" });
  await change.filter({ hasText: "Mozilla" }).filter({ hasText: '"mean":' }).waitFor();

  console.log("changed to 400 ms");
  await proxy.getByRole("button", { name: "Change latency_downstream" }).click();
  await field("mean").fill("400ms");
  await page.keyboard.press("Enter");
  await eventually("the round trip rises further", async () => await roundTrip() >= 400);
  await eventually("so does the chart", async () => (await shown()) >= 300);

  console.log("dark, and narrow");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: join(screenshots, "page-dark.png"), fullPage: true });
  await page.setViewportSize({ width: 400, height: 800 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await page.screenshot({ path: join(screenshots, "page-narrow.png"), fullPage: true });
  assert.equal(overflow, 0, "nothing sticks out of a narrow window");
  await page.setViewportSize({ width: 1280, height: 900 });

  console.log("every control has a name");
  const nameless = await page.evaluate(() => {
    const named = (element) => element.getAttribute("aria-label") || element.labels?.length || element.textContent.trim();
    return [...document.querySelectorAll("main input, main select, button")].filter((each) => !named(each)).map((each) => each.outerHTML);
  });
  assert.deepEqual(nameless, []);

  console.log("removed");
  await proxy.getByRole("button", { name: "Remove latency_downstream" }).click();
  await proxy.getByText("none: bytes pass as they are").waitFor();
  await eventually("the round trip falls", async () => await roundTrip() < 200);
  await eventually("the chart falls", async () => { const now = await shown(); return now !== null && now < 100; });

  console.log("a schedule has a timeline");
  await open(proxy);
  await dialog.getByLabel("Type").selectOption("blackhole");
  await dialog.getByText("More").click();
  await field("schedule").fill("start:1h,duration:1m");
  await dialog.getByRole("button", { name: "Add fault" }).click();
  await proxy.getByRole("img", { name: /blackhole_downstream is on from 1:00:00 to 1:01:00/ }).waitFor();

  console.log("a proxy is made, disabled and deleted");
  await page.getByText("New proxy").click();
  await page.getByLabel("Name", { exact: true }).last().fill("made/here");
  await page.getByLabel("Upstream").fill("127.0.0.1:1");
  await page.getByRole("button", { name: "Create" }).click();
  const made = page.locator("section.proxy", { has: page.getByRole("heading", { name: "made/here" }) });
  await made.waitFor();
  await made.getByRole("checkbox").uncheck();
  await page.getByText("made/here is disabled").waitFor();
  await made.getByRole("button", { name: "Delete" }).click();
  await made.waitFor({ state: "detached" });

  console.log("the response to a POST is lost, and counted");
  const api = page.locator("section.proxy", { has: page.getByRole("heading", { name: "api", exact: true }) });
  await open(api);
  await dialog.getByLabel("Type").selectOption("lose_response");
  await field("on").fill("POST");
  await dialog.getByRole("button", { name: "Add fault" }).click();
  await api.getByRole("rowheader", { name: /lose/ }).first().waitFor();
  await assert.rejects(fetch(http_url, { method: "POST" }));
  await api.getByText("1 executed and not confirmed").click();
  const counts = api.locator(".requests tbody tr").filter({ hasText: "POST" });
  assert.deepEqual((await counts.locator("td").allInnerTexts()).slice(0, 6), ["1", "1", "1", "0", "1", "0"]);

  assert.deepEqual(problems, []);
  assert.deepEqual(elsewhere, [], "it works without any other server");
  console.log("done");
} finally {
  await browser.close();
}
