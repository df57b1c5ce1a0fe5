// The list of proxies.

import assert from "node:assert/strict";

import { attempt, client, echo, eventually, look, serve, test } from "./harness.mjs";

const latency = (mean) => ({ type: "latency", attributes: { mean } });

await test(async (page) => {
  const server = await serve();
  const upstream = `127.0.0.1:${await echo()}`;
  const row = (name) => page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: new RegExp(`^${name} `) }) });
  const names = () => page.locator("tbody .proxy a:visible").allInnerTexts();

  console.log("three proxies");
  const cache = await server.create("cache", upstream, [latency("40ms")]);
  await server.create("billing-db", "127.0.0.1:5432", [{ type: "packet_loss", attributes: { rate: "1%" } }]);
  const search = await server.create("search", "127.0.0.1:9");
  await page.goto(server.url);
  for (let sessions = 0; sessions < 4; sessions += 1) client(cache, 2000);
  await row("cache").getByText(/KB\/s/).first().waitFor();
  await eventually("latency is measured", async () => Number.parseFloat(await row("cache").locator(".delay").innerText()) >= 40);
  assert.equal(await row("cache").locator(".open").innerText(), "4");

  console.log("failed sessions stand out, with the reason");
  for (let sessions = 0; sessions < 3; sessions += 1) await attempt(search);
  await row("search").getByText(/^refused, \d+ s ago$/).waitFor();
  await eventually("three sessions have failed", async () => await row("search").locator(".failed b").innerText() === "3");
  assert.match(await row("search").locator("td.failed").getAttribute("title"), /127\.0\.0\.1:9/);
  await page.getByText("3 proxies · 2 faults on · 1 proxy with failed sessions").waitFor();

  console.log("a failure that is in no sample yet is in the picture of the last minute");
  await page.route("**/history", (route) => route.fulfill({ json: { interval_ms: 1000, proxies: [{ name: "search", samples: [] }] } }));
  await page.reload();
  await row("search").locator(".sparkline .failed").first().waitFor({ state: "attached" });
  await page.unroute("**/history");
  await page.reload();
  await row("search").locator(".sparkline .failed").first().waitFor({ state: "attached" });

  console.log("a chip for each fault");
  await server.send("POST", "/proxies/cache/toxics", { type: "blackhole", attributes: { schedule: "start:10m,duration:1m" } });
  await server.send("POST", "/proxies/cache/toxics", { type: "reset", stream: "upstream", attributes: { after: "300s" } });
  await server.send("POST", "/proxies/cache/toxics/reset_upstream", { enabled: false });
  const chip = (name) => row("cache").locator(".chip").filter({ hasText: name });
  await chip("latency_downstream (on)").waitFor();
  await chip(/blackhole_downstream \(on in \d+:/).waitFor();
  await chip("reset_upstream (switched off)").waitFor();
  await row("billing-db").getByText("packet_loss_downstream (on, never acted)").waitFor();
  await server.send("POST", "/proxies/cache/toxics", { type: "slow_open", name: "once", attributes: { delay: "1ms", times: 1 } });
  client(cache, 2000);
  await chip("once (used up after 1 session)").waitFor();
  await look(page, "overview");

  console.log("the picture of the last minute is there after a reload");
  const sparkline = row("cache").locator(".sparkline polyline");
  const points = async () => (await sparkline.getAttribute("points")).split(" ").length;
  await eventually("some seconds pass", async () => await points() >= 6);
  await page.reload();
  await sparkline.waitFor();
  await eventually("the history is read", async () => await points() >= 6);

  console.log("thirty proxies");
  for (let number = 1; number <= 27; number += 1) {
    const toxics = [latency("10ms"), ...(number % 4 ? [] : [{ type: "bandwidth", attributes: { rate: "10KBps" } }, { type: "slicer" }, { type: "slow_close", attributes: { delay: "1s" } }])];
    const name = number % 9 ? `svc-${number}` : `svc-${number}-with-a-name-that-is-much-too-long-for-the-list`;
    const port = await server.create(name, number % 5 ? upstream : "127.0.0.1:9", number % 2 ? [] : toxics);
    if (number % 5) client(port, 50 * number); else await attempt(port);
  }
  await server.send("POST", "/proxies/svc-3", { enabled: false });
  await page.getByText("30 proxies").waitFor();
  await eventually("all have failed that will", async () => (await page.getByText(/^refused, /).count()) === 6);
  await row("svc-26").getByText(/KB\/s/).first().waitFor();
  const drawn = row("svc-26").locator(".sparkline polyline");
  await eventually("its throughput is drawn", async () => ((await drawn.getAttribute("points")) ?? "").split(" ").length >= 6);
  const sorted = await names();
  assert.deepEqual(sorted.slice(0, 6), ["billing-db", "cache", "search", "svc-1", "svc-2", "svc-3"]);
  assert.equal(sorted.indexOf("svc-10"), sorted.findIndex((name) => name.startsWith("svc-9")) + 1);
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  assert(height <= 1800, `the page has ${height} px`);
  await look(page, "overview-30");

  console.log("a row shows that it opens");
  for (const [width, arrow] of [[1280, "TD"], [390, "A"]]) {
    await page.setViewportSize({ width, height: 900 });
    const shown = await row("svc-2").locator("td, a").evaluateAll((all) => all.filter((each) => {
      const { content, display } = getComputedStyle(each, "::after");
      return content.startsWith('"›"') && display !== "none";
    }).map(({ tagName }) => tagName));
    assert.deepEqual(shown, [arrow], `${width} px`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  assert.equal(await row("svc-2").locator("td.total").evaluate((cell) => getComputedStyle(cell).cursor), "pointer");
  const look_of = (name) => row(name).evaluate((each) => [getComputedStyle(each).boxShadow, getComputedStyle(each.querySelector("a")).textDecorationLine]);
  const before = await look_of("svc-2");
  await row("svc-2").getByRole("link").focus();
  const focused = await look_of("svc-2");
  assert(focused.every((style, index) => style !== before[index]), `${before} and ${focused}`);
  await row("svc-2").locator("td.total").click();
  await page.getByRole("heading", { name: "svc-2" }).waitFor();
  await page.keyboard.press("Escape");
  await row("svc-2").waitFor();
  await page.evaluate(() => document.activeElement.blur());

  console.log("filter, and keys");
  await page.keyboard.press("/");
  await page.keyboard.type("svc-1 latency");
  await eventually("others are hidden", async () => (await names()).every((name) => name.startsWith("svc-1")));
  const filtered = await names();
  assert.deepEqual(filtered.slice(0, 2), ["svc-10", "svc-12"]);
  await page.getByText(`${filtered.length} of 30 proxies`).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "svc-12" }).waitFor();
  assert.match(page.url(), /#\/proxy\/svc-12$/);
  await page.keyboard.press("Escape");
  await row("svc-12").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "svc-12", "the focus is where it was");
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  await page.getByText("30 proxies").waitFor();
  await page.getByRole("searchbox").fill("nothing");
  await page.getByText("No proxy matches the filter.").waitFor();
  await page.getByRole("searchbox").fill("");

  console.log("reset");
  await page.getByRole("button", { name: "Reset all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reset all" }).click();
  await page.getByText("All faults are removed, and all proxies are enabled.").waitFor();
  await page.getByText("30 proxies · 0 faults on").waitFor();
  await page.getByText(/^Changes through the control API/).click();
  await page.getByRole("cell", { name: /latency_downstream removed/ }).first().waitFor();

  console.log("the latest changes are listed, and the others when they are asked for");
  const { length: all } = await server.send("GET", "/changes");
  assert(all > 40, `${all} changes`);
  const changes = page.locator("#changes tbody tr");
  for (const size of [{ width: 390, height: 844 }, { width: 1280, height: 900 }]) {
    await page.setViewportSize(size);
    await page.getByRole("button", { name: `Show ${all - 10} more` }).waitFor();
    assert.equal(await changes.count(), 10);
    assert.equal(await changes.first().getByRole("rowheader").innerText(), `#${all}`);
    const lines = await changes.first().evaluate((row) => [...row.cells].slice(0, 3).map((cell) => cell.getBoundingClientRect().top));
    assert(Math.max(...lines) - Math.min(...lines) < 4, `number, time and proxy are in a line: ${lines}`);
    await page.getByRole("button", { name: `Show ${all - 10} more` }).click();
    assert.equal(await changes.count(), all);
    assert.equal(await changes.last().getByRole("rowheader").innerText(), "#1");
    const scrolling = await page.locator("#changes .scroll").evaluateAll((all) => all.filter((each) => each.scrollHeight > each.clientHeight + 1).map((each) => each.outerHTML));
    assert.deepEqual(scrolling, [], "no box scrolls");
    await page.getByRole("button", { name: "Show the first 10 only" }).click();
    assert.equal(await changes.count(), 10);
  }

  console.log("the server ends");
  await server.stop();
  await page.getByText(/^No connection to the server; trying again\. Check that fault-proxy still runs\. The figures are those of \d\d:\d\d:\d\d\.$/).waitFor();
  assert(await page.getByRole("button", { name: "New proxy" }).first().isDisabled());

  console.log("figures of a server that does not respond have no colors, and their time stays in view");
  const colors = (selector, part) => page.locator(selector).evaluateAll((all, part) => [...new Set(all.map((each) => getComputedStyle(each, part).color))], part);
  const [quiet] = await colors(".keys");
  for (const selector of [".summary", ".overview td.open", ".overview .failed b", ".overview .failed small"]) assert.deepEqual(await colors(selector), [quiet], selector);
  assert.deepEqual(await colors(".overview td.state", "::before"), [quiet]);
  for (const size of [{ width: 390, height: 844 }, { width: 1280, height: 900 }]) {
    await page.setViewportSize(size);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    const covering = await page.locator("#lost").evaluate((banner) => {
      const { left, top, height } = banner.getBoundingClientRect();
      return document.elementFromPoint(left + 20, top + height / 2)?.id;
    });
    assert.equal(covering, "lost", `${size.width} px`);
  }
  await look(page, "reconnecting");
  await page.goto(`${page.url()}proxy/cache`);
  await page.getByRole("heading", { name: "cache" }).waitFor();
  assert.deepEqual(await colors(".tiles dd"), [quiet]);
  assert.notDeepEqual(await colors("#detail-title"), [quiet]);
  assert.deepEqual([...new Set(await page.locator(".charts b").allInnerTexts())], ["–"], "the charts have no values of another proxy");
  await look(page, "reconnecting-detail");
}, ["net::ERR_"]);
