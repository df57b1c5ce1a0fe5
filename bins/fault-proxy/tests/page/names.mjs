// Names with characters that HTML, addresses and shells treat specially, and a long list.

import assert from "node:assert/strict";

import { client, echo, eventually, look, serve, test } from "./harness.mjs";

const NAMES = ["it's \"quoted\"", "<b>bold</b>", "100%", "%41", "a/b?c#d", "&amp;", "Übung ✓", "back\\slash", `long-${"x".repeat(240)}`];
const PROXIES = 200;

await test(async (page) => {
  const server = await serve();
  const upstream = `127.0.0.1:${await echo()}`;

  console.log("odd names in the list");
  for (const name of NAMES) {
    await server.create(name, upstream, [{ type: "latency", name: `of ${name}`.slice(0, 200), attributes: { mean: "1ms" } }]);
  }
  await page.goto(server.url);
  await page.getByText(`${NAMES.length} proxies`).waitFor();
  const shown = await page.locator(".overview .proxy a").allTextContents();
  assert.deepEqual([...shown].sort(), [...NAMES].sort());
  assert.equal(await page.locator(".overview b b, .overview a b").count(), 0, "a name is not HTML");
  await look(page, "names");

  console.log("a narrow list has the whole names of proxies and faults");
  await server.create("many", upstream, Array.from({ length: 6 }, (_, index) => ({ type: "latency", name: `a-name-that-the-table-cuts-${index}`, attributes: { mean: "1ms" } })));
  await page.locator(".overview").getByText("+3").waitFor();
  assert.equal(await page.locator(".overview tr", { hasText: "many" }).locator(".chip:visible").count(), 3);
  await page.setViewportSize({ width: 390, height: 844 });
  const texts = page.locator(".overview .chip .text:visible");
  assert.equal(await texts.count(), NAMES.length + 6);
  for (const part of [texts, page.locator(".overview .proxy :is(a, .route)")]) {
    const cut = await part.evaluateAll((all) => all.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.textContent));
    assert.deepEqual(cut, []);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await server.send("DELETE", "/proxies/many");

  console.log("odd names in the address, the view and the preview");
  for (const name of NAMES) {
    await page.goto(`${server.url}/#/`);
    const index = (await page.locator(".overview .proxy a").allTextContents()).indexOf(name);
    await page.locator(".overview .proxy a").nth(index).click();
    await eventually(`the view of ${name}`, async () => (await page.locator("#detail-title").textContent()) === name && await page.locator("#detail-title").isVisible());
    assert.equal(decodeURIComponent(new URL(page.url()).hash.slice("#/proxy/".length)), name);
    await page.reload();
    await eventually(`the view of ${name} after a reload`, async () => (await page.locator("#detail-title").textContent()) === name);
    await page.getByRole("switch", { name: `of ${name}`.slice(0, 200) }).uncheck();
    await eventually("the fault is off", async () => (await server.send("GET", `/proxies/${encodeURIComponent(name)}/toxics`))[0].enabled === false);
    await page.getByRole("button", { name: "Add a fault" }).click();
    await page.getByRole("dialog").locator("[name=mean]").fill("5ms");
    const curl = await page.locator("[data-form=curl]").evaluate((element) => element.textContent);
    assert(curl.includes(encodeURIComponent(name).replaceAll("'", "'\\''")), curl);
    const toml = await page.locator("[data-form=toml]").evaluate((element) => element.textContent);
    assert(toml.includes(`name = ${JSON.stringify(name)}`), toml);
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  }
  await look(page, "names-detail");

  console.log("a fault is switched off and on while a session is open");
  const port = await server.create("open", upstream, [{ type: "latency", name: "slow", attributes: { mean: "50ms" } }]);
  client(port);
  await page.goto(`${server.url}/#/proxy/open`);
  const sessions = page.getByRole("region", { name: "Open sessions" }).getByRole("rowheader");
  await sessions.first().waitFor();
  const before = await sessions.allInnerTexts();
  const p50 = page.locator(".tiles div").filter({ hasText: "Added latency p50" }).locator("dd");
  await eventually("it delays", async () => Number.parseFloat(await p50.innerText()) >= 50);
  await page.getByRole("switch", { name: "slow on" }).uncheck();
  await eventually("it does not delay", async () => await p50.innerText() === "–");
  await page.getByRole("switch", { name: "slow on" }).check();
  await eventually("it delays again", async () => Number.parseFloat(await p50.innerText()) >= 50);
  assert.deepEqual(await sessions.allInnerTexts(), before, "the session is the same");

  console.log("two hundred proxies");
  const there = NAMES.length + 1;
  const toxics = [{ type: "latency", attributes: { mean: "1ms" } }];
  const proxies = Array.from({ length: PROXIES - there }, (_, index) => ({ name: `svc-${index + 1}`, listen: "127.0.0.1:0", upstream, toxics }));
  await server.send("POST", "/populate", proxies);
  await page.goto(`${server.url}/#/`);
  await page.getByText(`${PROXIES} proxies`).waitFor();
  await eventually("all have a row", async () => await page.locator(".overview tbody tr").count() === PROXIES);
  await page.keyboard.press("/");
  await page.keyboard.type("svc-190");
  await page.getByText(`1 of ${PROXIES} proxies`).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "svc-190" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox").fill("");
  // States arrive each second, and the rows follow them.
  const uptime = () => page.locator("#uptime").innerText();
  for (const start = await uptime(), end = Date.now() + 60_000; await uptime() === start;) assert(Date.now() < end, "the page follows");
});
