// Messages: beside the control, over nothing, and gone when they have been read.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { echo, eventually, look, serve, test } from "./harness.mjs";

const LONG = `long-${"x".repeat(240)}`;
const NARROW = { width: 390, height: 844 };
const WIDE = { width: 1280, height: 900 };

await test(async (page) => {
  const server = await serve();
  const upstream = `127.0.0.1:${await echo()}`;
  const toxics = ["first", "slow", "third"].map((name) => ({ name, type: "latency", attributes: { mean: "1ms" } }));
  for (const name of ["cache", LONG]) await server.create(name, upstream, toxics);
  const fault = (name) => page.locator(".faults tbody tr").filter({ has: page.getByRole("rowheader", { name }) });
  const message = page.locator(".message");

  // Presses a control. A message must appear at most `distance` pixels below it, or in its line, and not move it. No control may be covered.
  async function press(control, text, distance, isInLine = false) {
    await control.scrollIntoViewIfNeeded();
    const before = await control.boundingBox();
    await control.click();
    await message.filter({ hasText: text }).waitFor();
    const [after, shown] = [await control.boundingBox(), await message.filter({ hasText: text }).boundingBox()];
    assert.deepEqual(after, before, `${text}: it moves the control`);
    const middle = ({ y, height }) => y + height / 2;
    if (isInLine) assert(Math.abs(middle(shown) - middle(before)) < 8, `${text} at ${shown.y}, the control at ${before.y}`);
    else assert(shown.y >= before.y + before.height && shown.y <= before.y + before.height + distance, `${text} at ${shown.y}, the control at ${before.y}`);
    const covered = await page.evaluate(() => [...document.querySelectorAll("button, input, a")].filter((each) => {
      const { x, y, width, height } = each.getBoundingClientRect();
      const at = document.elementFromPoint(x + width / 2, y + height / 2);
      return at?.closest(".message") && !each.closest(".message");
    }).map((each) => each.outerHTML));
    assert.deepEqual(covered, [], `${text}: it covers controls`);
  }

  for (const [name, size] of [["cache", WIDE], [LONG, WIDE], ["cache", NARROW], [LONG, NARROW]]) {
    console.log(`${name.slice(0, 10)}, ${size.width} px wide: beside a switch`);
    await page.setViewportSize(size);
    await page.goto(`${server.url}/#/proxy/${name}`);
    const box = page.getByRole("switch", { name: "slow on" });
    await press(box, "Switched off.", 0, true);
    assert.equal(await fault("slow").getByRole("status").innerText(), "Switched off.", "it is announced");
    assert(await box.evaluate((each) => each === document.activeElement), "the focus stays");
    await press(box, "Switched on.", 0, true);
    const enabled = page.getByRole("switch", { name: "Enabled" });
    await press(enabled, "is disabled.", 40);
    const told = message.filter({ hasText: "is disabled." }).locator("p");
    assert((await told.innerText()).length < 60);
    assert.equal(await told.getAttribute("title"), name === LONG ? `${LONG} is disabled.` : null);
    await press(enabled, "is enabled.", 40);
    await page.goto(`${server.url}/#/`);
  }
  await page.setViewportSize(WIDE);

  console.log("a message disappears, and nothing moves under the pointer");
  await page.getByRole("link", { name: "cache" }).click();
  const third = page.getByRole("switch", { name: "third on" });
  const before = await third.boundingBox();
  await page.getByRole("switch", { name: "first on" }).uncheck();
  await message.waitFor();
  assert.deepEqual(await third.boundingBox(), before, "no row moves");
  await message.waitFor({ state: "detached" });
  const enabled = page.getByRole("switch", { name: "Enabled" });
  await enabled.uncheck();
  await message.waitFor();
  const moved = await third.boundingBox();
  await third.hover();
  await message.waitFor({ state: "detached" });
  assert.deepEqual(await third.boundingBox(), moved, "the pointer is over it");
  await page.mouse.move(1, 1);
  await eventually("the space is given back", async () => (await third.boundingBox()).y === before.y);
  await enabled.check();
  await message.waitFor();
  await message.waitFor({ state: "detached" });
  await page.getByRole("switch", { name: "first on" }).check();
  await message.waitFor();
  const widths = await page.getByRole("region", { name: "Recent changes" }).getByRole("row").nth(1).evaluate((row) => [...row.cells].map((cell) => cell.offsetWidth));
  assert(widths[2] > widths[0] + widths[1] + widths[3], `a short change has the space of a long one: ${widths}`);
  await look(page, "message");

  console.log("a problem stays until it is closed");
  const refuse = (status, error) => page.route("**/toxics/*", (route) => route.fulfill({ status, json: { error, status } }));
  await refuse(404, "toxic not found");
  await page.getByRole("switch", { name: "slow on" }).click();
  await fault("slow").getByRole("alert").getByText("This fault was removed in the meantime.").waitFor();
  assert(await page.getByRole("switch", { name: "slow on" }).isChecked(), "it is as it was");
  await message.filter({ hasText: "Switched on." }).waitFor({ state: "detached" });
  await sleep(7000);
  await fault("slow").getByRole("button", { name: "Close the message" }).press("Enter");
  await message.waitFor({ state: "detached" });
  assert(await page.getByRole("switch", { name: "slow on" }).evaluate((each) => each === document.activeElement), "the focus goes back");

  console.log("a problem is replaced by the next message");
  await page.getByRole("button", { name: "Remove slow" }).click();
  await fault("slow").getByRole("alert").getByText("was removed in the meantime").waitFor();
  await page.unroute("**/toxics/*");
  await page.getByRole("switch", { name: "slow on" }).click();
  await fault("slow").getByText("Switched off.").waitFor();
  assert.equal(await message.count(), 1);

  console.log("a problem of a row that is gone moves to the list");
  await refuse(404, "toxic not found");
  await page.getByRole("button", { name: "Remove third" }).click();
  await fault("third").getByText("This fault was removed in the meantime.").waitFor();
  await server.send("DELETE", "/proxies/cache/toxics/third");
  await page.locator("section > .messages").getByText("third: This fault was removed in the meantime.").waitFor();
  await look(page, "message-problem");
  await page.unroute("**/toxics/*");

  console.log("a fault that is removed, and one that is added");
  await page.getByRole("button", { name: "Remove slow" }).focus();
  await page.keyboard.press("Enter");
  await page.locator("section > .messages").getByText("slow is removed.").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Add a fault");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").locator("[name=mean]").fill("5ms");
  await page.keyboard.press("Enter");
  await page.locator("section > .messages").getByText("latency_downstream is added.").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Add a fault");
  await page.getByRole("button", { name: "Change first" }).click();
  await page.getByRole("dialog").locator("[name=mean]").fill("5ms");
  await page.keyboard.press("Enter");
  await fault("first").getByText("Changed.").waitFor();

  console.log("messages stay with their proxy");
  await page.goto(`${server.url}/#/proxy/${LONG}`);
  await page.getByRole("heading", { name: LONG }).waitFor();
  assert.equal(await message.count(), 0);

  console.log("below the buttons of the header, and in the place of the list");
  await page.getByRole("button", { name: "Reset all" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Reset all" }).click();
  await page.getByRole("banner").getByText("All faults are removed, and all proxies are enabled.").waitFor();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  const deleted = page.getByRole("main").getByText(/^long-x{34}… is deleted\.$/);
  await deleted.waitFor();
  assert.equal(await deleted.getAttribute("title"), `${LONG} is deleted.`);
  await page.getByRole("rowheader", { name: "cache" }).waitFor();
  await eventually("the focus is in the list", () => page.evaluate(() => document.activeElement.textContent === "cache"));
}, [404, 409]);
