// Takes the pictures of the documentation: node pictures.mjs BINARY DIRECTORY. It takes about two minutes, so that charts show something.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { attempt, client, echo, serve, test } from "./harness.mjs";

const directory = process.argv[3];
const latency = (mean) => ({ type: "latency", attributes: { mean, stddev: "20ms" } });

await test(async (page) => {
  const server = await serve();
  const upstream = `127.0.0.1:${await echo()}`;
  const fault = (proxy, name, body) => server.send("POST", `/proxies/${proxy}/toxics${name ? `/${name}` : ""}`, body);
  const ports = {};
  for (const name of ["cache", "orders-db", "payments-api"]) ports[name] = await server.create(name, upstream);
  ports.search = await server.create("search", "127.0.0.1:9");
  await fault("payments-api", "", { type: "blackhole", attributes: { schedule: "start:8m,duration:1m" } });
  await fault("orders-db", "", { type: "packet_loss", attributes: { rate: "2%" } });
  await fault("search", "", { type: "reset", name: "cut", attributes: { after: "10s" } });
  await fault("search", "cut", { enabled: false });
  for (let sessions = 0; sessions < 8; sessions += 1) client(ports.cache, 900, 60);
  for (let sessions = 0; sessions < 3; sessions += 1) client(ports["orders-db"], 4000, 90);
  client(ports["payments-api"], 1200, 140);
  await page.goto(server.url);
  const failing = setInterval(() => attempt(ports.search), 9000);
  await sleep(35_000);
  await fault("cache", "", latency("80ms"));
  await sleep(25_000);
  await fault("cache", "latency_downstream", { attributes: { mean: "250ms" } });
  await sleep(20_000);
  await fault("cache", "latency_downstream", { enabled: false });
  await sleep(12_000);
  await fault("cache", "latency_downstream", { enabled: true });
  await sleep(15_000);
  await page.screenshot({ path: join(directory, "page.png"), clip: { x: 0, y: 0, width: 1280, height: 380 } });
  await page.getByRole("link", { name: "cache" }).click();
  await page.locator(".chart polyline").first().waitFor();
  await page.getByRole("region", { name: "Recent changes" }).getByText("latency_downstream added").waitFor();
  await sleep(1500);
  // Up to the end of the table of faults.
  const { y, height } = await page.locator("section.panel").first().boundingBox();
  await page.screenshot({ path: join(directory, "page-detail.png"), clip: { x: 0, y: 0, width: 1280, height: Math.ceil(y + height + 12) } });
  clearInterval(failing);
});
