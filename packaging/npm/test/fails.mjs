// Run by a test: one test passes and one fails.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultProxy } from "fault-proxy";

test("passes", async (t) => {
  const faults = await FaultProxy.forTest(t);
  await faults.proxy("quiet", "127.0.0.1:1");
});

test("fails", async (t) => {
  const faults = await FaultProxy.forTest(t);
  const cache = await faults.proxy("cache", "127.0.0.1:1");
  await cache.fault("latency", { mean: "300ms" });
  assert.equal(1, 2);
});
