// One proxy: its charts, its faults, and its tables.

import assert from "node:assert/strict";
import http from "node:http";

import { attempt, client, echo, eventually, look, serve, test, touchingLabels } from "./harness.mjs";

// The port of a web server.
async function web() {
  const server = http.createServer((_, response) => response.end("ok\n"));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return server.address().port;
}

// Runs in the page, before its scripts. Holds the states of the server while `holdStates` is set.
function holdingStates() {
  const { fetch } = globalThis;
  globalThis.fetch = async (path, options) => {
    const response = await fetch(path, options);
    if (path !== "/events" || !response.ok) return response;
    const all = [];
    const held = new TransformStream({
      transform: (part, to) => {
        all.push(part);
        if (!globalThis.holdStates) for (const each of all.splice(0)) to.enqueue(each);
      },
    });
    return new Response(response.body.pipeThrough(held));
  };
}

await test(async (page) => {
  const server = await serve();
  const cache = await server.create("cache", `127.0.0.1:${await echo()}`);
  const api = await server.create("api", `http://127.0.0.1:${await web()}`);
  const chart = (title) => page.getByRole("img", { name: new RegExp(`^${title}: `) });
  const labels = (title) => chart(title).locator("text:not(.mark)").allTextContents();
  const tile = (name) => page.locator(".tiles div").filter({ has: page.getByText(new RegExp(`^${name}(,|$)`)) }).locator("dd");
  const fault = (name) => page.locator(".faults tbody tr").filter({ has: page.getByRole("rowheader", { name }) });
  const marks = async () => (await chart("Sessions").locator("text.mark").evaluateAll((all) => all.map((mark) => mark.querySelector("title").textContent))).join("\n");
  const post = (path, body) => server.send("POST", `/proxies/cache${path}`, body);

  await page.addInitScript(holdingStates);

  console.log("an idle proxy has sane axes");
  await page.goto(`${server.url}/#/proxy/cache`);
  await page.getByRole("heading", { name: "cache" }).waitFor();
  await chart("Added latency").waitFor();
  assert.deepEqual((await labels("Added latency")).filter((text) => text.includes("s")), ["0 ms", "5 ms", "10 ms"]);
  assert.deepEqual((await labels("Throughput")).filter((text) => text.includes("/s")), ["0 B/s", "500 B/s", "1 KB/s"]);
  assert((await labels("Throughput")).some((text) => /^\d\d:\d\d:\d\d$/.test(text)), "there is a time axis");
  const edges = () => page.locator("svg.chart").evaluateAll((all) => all.map((chart) => {
    const left = Math.min(...[...chart.querySelectorAll("line.grid")].map((line) => Number(line.getAttribute("x1"))));
    return `${left} ${chart.getBoundingClientRect().top - chart.closest("figure").getBoundingClientRect().top}`;
  }));
  const [edge, ...others] = await edges();
  assert.deepEqual(others, [edge, edge], "axes begin at the same place of their charts");
  await look(page, "detail-idle");

  console.log("a change is marked as soon as it is listed, without waiting for samples");
  await server.send("POST", "/proxies/api", { enabled: false });
  await page.goto("about:blank");
  const [histories, lists] = [[], []];
  await page.route("**/proxies/api/history*", (route) => { if (histories.push(route) === 1) route.continue(); });
  await page.route("**/changes", (route) => { lists.push(route); });
  await page.goto(`${server.url}/#/proxy/api`);
  await chart("Sessions").locator("polyline, circle").first().waitFor({ state: "attached" });
  await eventually("the next samples are held back", () => histories.length > 1);
  assert.equal(await chart("Sessions").locator("line.mark").count(), 0);
  for (const route of lists) await route.continue();
  await chart("Sessions").locator("text.mark").first().waitFor();
  for (const route of histories.slice(1)) await route.continue();
  for (const url of ["**/proxies/api/history*", "**/changes"]) await page.unroute(url);
  await server.send("POST", "/proxies/api", { enabled: true });
  await page.goto(`${server.url}/#/proxy/cache`);

  console.log("charts and tiles follow a fault, and a mark says who added it");
  for (let sessions = 0; sessions < 3; sessions += 1) client(cache, 20_000);
  await eventually("bytes pass", async () => (await tile("Request rate").innerText()) !== "0 B/s");
  await post("/toxics", { type: "latency", attributes: { mean: "120ms", stddev: "20ms" } });
  await eventually("latency is measured", async () => /^\d{3}\.\d ms$|^[\d.]+ s$/.test(await tile("Added latency p50").innerText()));
  await eventually("the axis fits", async () => (await labels("Added latency")).some((text) => /^[1-9]\d\d ms$/.test(text)));
  await chart("Added latency").locator("text.mark").first().waitFor();
  const changes = page.getByRole("region", { name: "Recent changes" });
  await changes.getByText("latency_downstream added: latency, mean 120 ms, stddev 20 ms").waitFor();
  await changes.getByText(/test-suite\/1\.0 \(127\.0\.0\.1:\d+\)/).first().waitFor();

  console.log("a fault is switched off, keeps its parameters, and is switched on again");
  await page.getByRole("switch", { name: "latency_downstream on" }).uncheck();
  await fault("latency_downstream").getByText("Switched off.").waitFor();
  await fault("latency_downstream").locator(".chip.off").waitFor();
  const [kept] = await server.send("GET", "/proxies/cache/toxics");
  assert.deepEqual([kept.enabled, kept.attributes.mean], [false, 120]);
  await changes.getByText("latency_downstream: switched off").waitFor();
  await changes.getByText(/^browser \(/).waitFor();
  await eventually("no latency is added", async () => (await tile("Added latency p50").innerText()) === "–");
  await page.getByRole("switch", { name: "latency_downstream on" }).check();
  await fault("latency_downstream").locator(".chip.on").waitFor();

  console.log("a change of this page is marked before the next state");
  await page.evaluate(() => { globalThis.holdStates = true; });
  await page.getByRole("switch", { name: "latency_downstream on" }).uncheck();
  await changes.getByText("latency_downstream: switched off").nth(1).waitFor();
  const { number } = (await server.send("GET", "/changes")).at(-1);
  await eventually("it is marked", async () => (await marks()).includes(`#${number}: latency_downstream: switched off, by browser (`));
  const inside = await chart("Sessions").evaluate((picture) => [...picture.querySelectorAll("line.mark")].every((mark) => Number(mark.getAttribute("x1")) <= picture.clientWidth));
  assert(inside, "the chart reaches to it");
  await page.evaluate(() => { globalThis.holdStates = false; });
  await page.getByRole("switch", { name: "latency_downstream on" }).check();
  await fault("latency_downstream").locator(".chip.on").waitFor();

  console.log("faults in each state, and the schedule");
  await post("/toxics", { type: "blackhole", attributes: { schedule: "start:5m,duration:5m" } });
  await post("/toxics", { type: "packet_loss", stream: "upstream", attributes: { rate: "5%" }, toxicity: 0.25 });
  await post("/toxics", { type: "reset", stream: "upstream", attributes: { after: "300s" } });
  await post("/toxics/reset_upstream", { enabled: false });
  await post("/toxics", { type: "slow_open", name: "once", attributes: { delay: "1ms", times: 1 } });
  const selected = client(cache);
  await fault("once").locator(".chip.spent").filter({ hasText: "used up after 1 session" }).waitFor();
  selected.destroy();
  await changes.getByText("reset_upstream added: reset, after 5 min").waitFor();
  await fault("reset_upstream").getByText(/ after 5\u00a0min$/).waitFor();

  console.log("marks of changes within a second name all of them");
  const of_cache = (await server.send("GET", "/changes")).filter(({ proxy }) => proxy === "cache").slice(1);
  await eventually("all changes but the first, which is before the chart, are marked", async () => {
    const titles = await marks();
    return of_cache.every(({ number }) => titles.includes(`#${number}: `));
  });
  await fault("blackhole_downstream").getByText(/^on in \d+:\d\d$/).waitFor();
  await page.getByRole("img", { name: /^blackhole_downstream is on from 5:00 to 10:00/ }).waitFor();
  await fault("reset_upstream").getByText("switched off").waitFor();
  await fault("packet_loss_upstream").getByText("25%").waitFor();

  console.log("only new samples are read, and a reload loses nothing");
  const points = async () => (await chart("Throughput").locator("polyline").first().getAttribute("points")).split(" ").length;
  await eventually("some seconds pass", async () => await points() >= 10);
  const read = [];
  const listener = async (response) => {
    if (response.url().includes("/history")) read.push([new URL(response.url()).search, (await response.json()).samples.length]);
  };
  page.on("response", listener);
  const shown = await points();
  await eventually("new samples are shown", async () => await points() >= shown + 3);
  page.off("response", listener);
  assert(read.length >= 2 && read.every(([search, samples]) => /^\?since=\d+$/.test(search) && samples < shown), JSON.stringify(read));
  await page.reload();
  await page.getByRole("heading", { name: "cache" }).waitFor();
  await chart("Throughput").locator("polyline").first().waitFor();
  assert(await points() >= 10, "the server keeps the history");
  await chart("Added latency").locator("text.mark").first().waitFor();
  await page.getByRole("region", { name: "Fault accuracy" }).getByRole("row", { name: /^latency_downstream \d+ [\d,]+ 1\d\d\.\d ms/ }).waitFor();
  assert.equal(await page.getByRole("region", { name: "Open sessions" }).getByRole("row").count(), 4);
  assert.equal(new Set(await edges()).size, 1, "they do with values of any length");
  await look(page, "detail");

  console.log("the values at a place of a chart");
  await chart("Throughput").hover();
  await page.getByText(/^at \d\d:\d\d:\d\d$/).first().waitFor();
  await page.mouse.move(0, 0);
  await page.getByText("values: last second").first().waitFor();

  console.log("a failure");
  await server.send("POST", "/proxies/cache", { upstream: "127.0.0.1:9" });
  await attempt(cache);
  await page.getByText(/^\d+ failed sessions?, the last \d+\u00a0s ago: cannot connect to 127\.0\.0\.1:9: Connection refused\. Check that /).waitFor();
  await chart("Sessions").locator(".bar.failed").waitFor({ state: "attached" });
  await look(page, "detail-failed");

  console.log("the response to a POST is lost, and counted");
  await page.goto(`${server.url}/#/proxy/api`);
  await page.getByRole("heading", { name: "api" }).waitFor();
  await server.send("POST", "/proxies/api/toxics", { type: "lose_response", attributes: { on: "POST" } });
  await assert.rejects(fetch(`http://127.0.0.1:${api}/`, { method: "POST" }));
  for (let requests = 0; requests < 5; requests += 1) await (await fetch(`http://127.0.0.1:${api}/`)).text();
  await page.getByText("1 request was executed without a response to the client.").waitFor();
  const counts = page.getByRole("region", { name: "Requests" }).getByRole("row").filter({ hasText: "POST" });
  assert.deepEqual((await counts.getByRole("cell").allInnerTexts()).slice(0, 6), ["1", "1", "1", "0", "1", "0"]);
  await page.getByRole("region", { name: "Requests" }).getByRole("row").filter({ hasText: "GET" }).waitFor();
  await fault("lose_response").getByText("selected requests: POST").waitFor();
  await page.getByRole("img", { name: /^Sessions: now open [1-9]/ }).waitFor();
  await look(page, "detail-requests");

  console.log("the back button, and a proxy that is gone");
  await page.getByRole("link", { name: "All proxies" }).click();
  await page.getByRole("rowheader", { name: "api" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "api" }).waitFor();
  await server.send("DELETE", "/proxies/api");
  await page.getByText("This proxy does not exist, or was deleted.").waitFor();

  console.log("the faults are removed");
  await page.goto(`${server.url}/#/proxy/cache`);
  for (const name of ["latency_downstream", "blackhole_downstream", "packet_loss_upstream", "reset_upstream", "once"]) {
    await page.getByRole("button", { name: `Remove ${name}` }).click();
    await page.getByText(`${name} is removed.`).waitFor();
  }
  await page.getByText("No faults. Traffic is forwarded unchanged.").waitFor();
  assert.deepEqual(await server.send("GET", "/proxies/cache/toxics"), []);

  console.log("a time that does not fit below its tick is left out");
  for (const second of [0, 1, 2, 4, 8, 16]) {
    await page.evaluate(async (second) => {
      const { Chart } = await import("/charts.js");
      const chart = new Chart("Throughput", "rate", []);
      chart.figure.id = "narrow";
      chart.figure.style.width = "330px";
      document.getElementById("narrow")?.remove();
      document.body.append(chart.figure);
      const to = new Date(2026, 0, 1, 12, 0, second).getTime();
      chart.show({ samples: [], from: to - 60_000, to, marks: [] });
    }, second);
    assert.deepEqual(await page.evaluate(touchingLabels), [], `${second} s`);
    const away = await page.evaluate(() => {
      const middle = (each) => { const { left, right } = each.getBoundingClientRect(); return (left + right) / 2; };
      const ticks = [...document.querySelectorAll("#narrow line.grid")].map(middle);
      return [...document.querySelectorAll("#narrow text[text-anchor=middle]")].filter((text) => ticks.every((tick) => Math.abs(tick - middle(text)) > 1)).map((text) => text.textContent);
    });
    assert.deepEqual(away, [], `${second} s: times are below their ticks`);
  }
}, [404]);
