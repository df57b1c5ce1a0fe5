// Drives a control API with toxiproxy-node-client, and a Redis session through it: scenario.cjs API_URL REDIS_PORT.
"use strict";

const assert = require("node:assert/strict");
const net = require("node:net");
const { setTimeout: sleep } = require("node:timers/promises");
const { Toxiproxy } = require("toxiproxy-node-client");

const LONG = 1000;
const BIG = Array.from({ length: 20_000 }, (_, number) => number).join(" ").slice(0, 100_000);

class Redis {
  static async on(port) {
    const redis = new Redis();
    redis.got = Buffer.alloc(0);
    redis.ended = null;
    redis.wake = () => {};
    redis.socket = net.connect(port, "127.0.0.1");
    redis.socket.on("data", (bytes) => { redis.got = Buffer.concat([redis.got, bytes]); redis.wake(); });
    redis.socket.on("end", () => { redis.ended ??= "end"; redis.wake(); });
    redis.socket.on("error", (error) => { redis.ended ??= error.code; redis.wake(); });
    await new Promise((resolve, reject) => redis.socket.once("connect", resolve).once("error", reject));
    return redis;
  }

  send(...words) {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.socket.write(`*${words.length}\r\n${parts.join("")}`);
  }

  async until(done) {
    while (!done()) await new Promise((resolve) => { this.wake = resolve; });
  }

  // The text that comes until it ends with `tail`.
  async reply(tail) {
    await this.until(() => this.got.toString().endsWith(tail) || this.ended);
    assert.equal(this.ended, null);
    const reply = this.got.toString();
    this.got = Buffer.alloc(0);
    return reply;
  }

  // How the connection ends, and what has come until then.
  async end() {
    await this.until(() => this.ended);
    return [this.ended, this.got.toString()];
  }

  // How many milliseconds a round trip takes.
  async ping() {
    const started = performance.now();
    this.send("PING");
    assert.equal(await this.reply("\r\n"), "+PONG\r\n");
    return performance.now() - started;
  }

  async big() {
    const started = performance.now();
    this.send("GET", "big");
    const reply = await this.reply(`${BIG.slice(-20)}\r\n`);
    assert.equal(reply, `$${BIG.length}\r\n${BIG}\r\n`);
    return performance.now() - started;
  }
}

const step = (text) => console.log(text);
const refused = (port) => assert.rejects(Redis.on(port), { code: "ECONNREFUSED" });

async function main(url, redisPort) {
  const toxiproxy = new Toxiproxy(url);
  const upstream = `127.0.0.1:${redisPort}`;
  step("create");
  let proxy = await toxiproxy.createProxy({ name: "redis", listen: "127.0.0.1:0", upstream });
  const port = Number(proxy.listen.split(":")[1]);
  assert(port > 0 && proxy.enabled);
  await assert.rejects(
    toxiproxy.createProxy({ name: "redis", listen: "127.0.0.1:0", upstream }),
    /409/,
  );
  await assert.rejects(
    toxiproxy.createProxy({ name: "taken", listen: `127.0.0.1:${port}`, upstream }),
    /500/,
  );
  let redis = await Redis.on(port);
  redis.send("SET", "big", BIG);
  await redis.reply("+OK\r\n");

  step("latency, updated and removed on an open session");
  const latency = await proxy.addToxic({ type: "latency", attributes: { latency: LONG, jitter: 0 } });
  assert.deepEqual([latency.name, latency.stream, latency.toxicity], ["latency_downstream", "downstream", 1]);
  assert(await redis.ping() >= LONG);
  await latency.update({ attributes: { latency: 2 * LONG } });
  assert.equal((await proxy.getToxic("latency_downstream")).attributes.latency, 2 * LONG);
  assert(await redis.ping() >= 2 * LONG);
  await latency.remove();
  assert(await redis.ping() < LONG);

  step("latency upstream, and for no session at all");
  const up = await proxy.addToxic({ name: "up", type: "latency", stream: "upstream", attributes: { latency: LONG } });
  assert(await redis.ping() >= LONG);
  await up.remove();
  const never = await proxy.addToxic({ type: "latency", toxicity: 0, attributes: { latency: 20_000 } });
  assert(await redis.ping() < 20_000);
  await never.remove();

  step("bandwidth");
  const bandwidth = await proxy.addToxic({ type: "bandwidth", attributes: { rate: 100 } });
  assert(await redis.big() >= 800);
  await bandwidth.remove();

  step("slicer");
  const attributes = { average_size: 1000, size_variation: 500, delay: 10 };
  const slicer = await proxy.addToxic({ type: "slicer", attributes });
  await redis.big();
  await slicer.remove();

  step("slow_close");
  const slowClose = await proxy.addToxic({ type: "slow_close", attributes: { delay: 700 } });
  redis.send("QUIT");
  await redis.reply("+OK\r\n");
  let started = performance.now();
  assert.deepEqual(await redis.end(), ["end", ""]);
  assert(performance.now() - started >= 600);
  await slowClose.remove();

  step("timeout");
  redis = await Redis.on(port);
  await redis.ping();
  const timeout = await proxy.addToxic({ type: "timeout", attributes: { timeout: 500 } });
  started = performance.now();
  redis.send("PING");
  assert.deepEqual(await redis.end(), ["end", ""]);
  assert(performance.now() - started >= 400);
  await timeout.remove();

  step("timeout without an end, removed");
  redis = await Redis.on(port);
  await redis.ping();
  const stuck = await proxy.addToxic({ type: "timeout", attributes: { timeout: 0 } });
  redis.send("PING");
  await sleep(200);
  assert.equal(redis.ended, null);
  await stuck.remove();
  assert.deepEqual(await redis.end(), ["end", ""]);

  step("reset_peer");
  redis = await Redis.on(port);
  await redis.ping();
  const reset = await proxy.addToxic({ type: "reset_peer", attributes: { timeout: 0 } });
  redis.send("PING");
  assert.deepEqual(await redis.end(), ["ECONNRESET", ""]);
  await reset.remove();

  step("limit_data");
  redis = await Redis.on(port);
  const limit = await proxy.addToxic({ type: "limit_data", attributes: { bytes: 10 } });
  redis.send("PING");
  redis.send("PING");
  assert.deepEqual(await redis.end(), ["end", "+PONG\r\n+PO"]);
  await limit.remove();

  step("disable and enable");
  redis = await Redis.on(port);
  await redis.ping();
  proxy = await toxiproxy.get("redis");
  const { listen } = proxy;
  await proxy.update({ enabled: false, listen, upstream });
  assert.deepEqual(await redis.end(), ["end", ""]);
  await refused(port);
  await proxy.update({ enabled: true, listen, upstream });
  await (await Redis.on(port)).ping();

  step("populate");
  await proxy.addToxic({ type: "latency", attributes: { latency: 1 } });
  const kept = { name: "redis", listen, upstream };
  const other = { name: "other", listen: "127.0.0.1:0", upstream };
  assert.deepEqual(Object.keys(await toxiproxy.populate([kept, other])), ["redis", "other"]);
  assert.equal((await proxy.getToxic("latency_downstream")).attributes.latency, 1);
  await assert.rejects(toxiproxy.populate([{ name: "x" }]), /400/);

  step("reset");
  const second = await toxiproxy.get("other");
  await second.update({ enabled: false, listen: second.listen, upstream });
  await toxiproxy.reset();
  assert.deepEqual(Object.values(await toxiproxy.getAll()).map((each) => each.enabled), [true, true]);
  await assert.rejects(proxy.getToxic("latency_downstream"), /404/);

  step("a fault of fault-proxy's own");
  const loss = await proxy.addToxic({ type: "packet_loss", attributes: { rate: 0.01 } });
  assert.deepEqual(loss.attributes, { rate: 0.01 });
  await loss.remove();

  step("delete");
  for (const each of Object.values(await toxiproxy.getAll())) await each.remove();
  await refused(port);
  await assert.rejects(toxiproxy.get("redis"), /404/);
}

main(...process.argv.slice(2)).then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
