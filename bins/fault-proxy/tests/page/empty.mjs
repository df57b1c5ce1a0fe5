// A server without proxies, and one that requires a token.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { dirname } from "node:path";

import { echo, look, serve, test } from "./harness.mjs";

const [binary] = process.argv.slice(2);

await test(async (page) => {
  const server = await serve();
  await page.goto(server.url);

  console.log("the empty state shows a command that works");
  await page.getByRole("heading", { name: "No proxies yet" }).waitFor();
  await look(page, "empty");
  const [ctl, curl] = await page.locator(".command code").allInnerTexts();
  const free = (command) => command.replace("127.0.0.1:26379", "127.0.0.1:0");
  const shell = (command) => execFileSync("sh", ["-c", free(command)], { env: { ...process.env, PATH: `${dirname(binary)}:${process.env.PATH}` } });
  shell(ctl);
  await page.getByRole("rowheader", { name: "cache" }).waitFor();
  await server.send("DELETE", "/proxies/cache");
  await page.getByRole("heading", { name: "No proxies yet" }).waitFor();
  shell(curl);
  await page.getByRole("rowheader", { name: "cache" }).waitFor();

  console.log("a wrong field is marked");
  await page.getByRole("button", { name: "New proxy" }).first().click();
  const dialog = page.getByRole("dialog", { name: "New proxy" });
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByText("Name is required.").waitFor();
  await dialog.getByLabel("Name").fill("cache");
  await dialog.getByLabel("Upstream").fill(`127.0.0.1:${await echo()}`);
  await page.keyboard.press("Enter");
  await dialog.getByText("A proxy with this name already exists: use another name.").waitFor();
  assert.equal(await dialog.getByLabel("Name").getAttribute("aria-invalid"), "true");
  await look(page, "new-proxy");
  await dialog.getByLabel("Name").fill("made/here");
  await dialog.getByLabel("Listen on").fill("127.0.0.1:port");
  await page.keyboard.press("Enter");
  await dialog.locator("[name=listen][aria-invalid]").waitFor();
  await dialog.getByLabel("Listen on").fill("127.0.0.1:0");
  await page.keyboard.press("Enter");

  console.log("the new proxy is shown, disabled and deleted");
  await page.getByRole("heading", { name: "made/here" }).waitFor();
  assert.match(page.url(), /#\/proxy\/made%2Fhere$/);
  await page.getByText(/^made\/here listens on 127\.0\.0\.1:\d+\.$/).waitFor();
  await page.getByText("No faults. Traffic is forwarded unchanged.").waitFor();
  await page.getByRole("switch", { name: "Enabled" }).uncheck();
  await page.getByText("made/here is disabled.").waitFor();
  await page.getByText("No faults. The proxy is disabled and accepts no connections.").waitFor();
  assert.equal((await server.send("GET", "/proxies/made%2Fhere")).enabled, false);
  await page.getByRole("button", { name: "Delete" }).click();
  await look(page, "delete");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("made/here is deleted.").waitFor();
  await page.getByRole("rowheader", { name: "cache" }).waitFor();
  assert.deepEqual(Object.keys(await server.send("GET", "/proxies")), ["cache"]);
  await page.getByText("made/here is deleted.").waitFor({ state: "detached" });

  console.log("the token is asked for before anything else");
  const guarded = await serve("--control-token", "s3cret");
  await page.goto(guarded.url);
  await page.getByRole("heading", { name: "Control token" }).waitFor();
  assert.deepEqual(await page.getByRole("button").allInnerTexts(), ["Connect"]);
  await page.getByLabel("Token", { exact: true }).fill("guess");
  await page.keyboard.press("Enter");
  await page.getByText("The server does not accept this token.").waitFor();
  await look(page, "token");
  await page.getByLabel("Token", { exact: true }).fill("s3cret");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "No proxies yet" }).waitFor();
  assert.match(await page.locator(".command code").last().innerText(), /Bearer \$FAULT_CONTROL_TOKEN/);
}, [400, 401, 409, 500]);
