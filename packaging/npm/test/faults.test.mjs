// Proxies and faults, with a real Redis behind them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { test } from "node:test";
import { ApiError, FaultProxy } from "fault-proxy";

const REDIS = `127.0.0.1:${process.env.REDIS_PORT ?? 6379}`;

/** Asks a Redis server whether it is there, on a new connection. */
async function ping({ host, port }) {
  const socket = connect({ host, port });
  socket.write("PING\r\n");
  try {
    const [answer] = await once(socket, "data");
    return answer.toString();
  } finally {
    socket.destroy();
  }
}

async function elapsed(work) {
  const started = performance.now();
  assert.equal(await work(), "+PONG\r\n");
  return performance.now() - started;
}

test("a proxy forwards to its upstream", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", REDIS);
  assert.deepEqual([cache.name, cache.host, cache.upstream], ["cache", "127.0.0.1", REDIS]);
  assert.equal(cache.address, `${cache.host}:${cache.port}`);
  assert.equal(await ping(cache), "+PONG\r\n");
});

test("a listen address of IPv6 has a host without brackets", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", REDIS, { listen: "[::1]:0" });
  assert.deepEqual([cache.host, cache.address], ["::1", `[::1]:${cache.port}`]);
  assert.equal(await ping(cache), "+PONG\r\n");
});

test("a fault acts until it is removed", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", REDIS);
  const fault = await cache.fault("latency", { mean: "300ms" });
  assert.ok((await elapsed(() => ping(cache))) >= 299);
  await fault.remove();
  assert.deepEqual(await cache.faults(), []);
  await fault.remove();
});

test("a reset ends all faults and outages", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", REDIS);
  await cache.fault("latency", { mean: "1h" });
  await cache.down();
  await assert.rejects(ping(cache), { code: "ECONNREFUSED" });
  await faults.reset();
  assert.equal(await ping(cache), "+PONG\r\n");
});

test("an outage ends when it is removed, and a fault at the end of its block", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", REDIS);
  const outage = await cache.down();
  await assert.rejects(ping(cache), { code: "ECONNREFUSED" });
  await outage.remove();
  assert.equal(await ping(cache), "+PONG\r\n");
  // what `await using` calls
  const dispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
  const fault = await cache.fault("blackhole");
  await fault[dispose]();
  assert.deepEqual(await cache.faults(), []);
});

test("a fault has all settings of the API", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("a/b c?", REDIS);
  await cache.fault("latency", { latency: 200, jitter: 50 }, { stream: "upstream", toxicity: 0.5, name: "x/y", ttl: "1h" });
  const [slow] = await cache.faults();
  const attributes = { latency: 200, jitter: 50 };
  assert.deepEqual(slow, {
    name: "x/y",
    type: "latency",
    stream: "upstream",
    toxicity: 0.5,
    ttl: 3_600_000,
    attributes,
  });
  await cache.remove();
  assert.deepEqual(await faults.proxies(), []);
});

test("a fault on requests acts on those that are meant", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", `redis://${REDIS}`);
  const attributes = { on: "PING", at: "before-forward", times: 1 };
  await cache.fault("reset", attributes);
  assert.deepEqual((await cache.faults())[0].attributes, attributes);
  await assert.rejects(ping(cache), { code: "ECONNRESET" });
  assert.equal(await ping(cache), "+PONG\r\n");
  await faults.reset();
  await cache.fault("lose-response", { on: "GET *" });
  assert.equal(await ping(cache), "+PONG\r\n");
});

test("an error has the message of the API", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", REDIS);
  await assert.rejects(cache.fault("latency", { men: "300ms" }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.match(error.message, /^bad request body: men is not an attribute of latency; its attributes are /);
    return error.status === 400;
  });
  await assert.rejects(faults.proxy("cache", REDIS), { name: "ApiError", message: "proxy already exists", status: 409 });
});

test("an unknown type is named with the known ones", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", REDIS);
  await assert.rejects(cache.fault("latencyy"), (error) => {
    assert.ok(error instanceof ApiError);
    assert.match(error.message, /^invalid toxic type: 'latencyy'; types of faults: latency, jitter, /);
    return error.status === 400;
  });
});

test("Toxiproxy's client library accepts the URL", async (t) => {
  const { Toxiproxy } = createRequire(import.meta.url)("toxiproxy-node-client");
  const faults = await FaultProxy.forTest(t);
  const cache = await new Toxiproxy(faults.url).createProxy({ name: "cache", listen: "127.0.0.1:0", upstream: REDIS });
  await cache.addToxic({ type: "latency", attributes: { latency: 300, jitter: 0 } });
  const [{ host, port }] = await faults.proxies();
  assert.ok((await elapsed(() => ping({ host, port }))) >= 299);
});
