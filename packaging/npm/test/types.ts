// Compiled by a test, with the types of the package.
import { ApiError, FaultProxy, type Fault, type Proxy } from "fault-proxy";

export async function uses(): Promise<number> {
  await using faults = await FaultProxy.start({ args: ["--seed", "7"] });
  const cache: Proxy = await faults.proxy("cache", "localhost:6379", { listen: "127.0.0.1:0" });
  await using slow: Fault = await cache.fault("latency", { mean: "300ms" }, { stream: "upstream", toxicity: 0.5 });
  await cache.fault("lose-response", { on: "GET *", times: 1, then: "close" });
  // @ts-expect-error: this is not a stream
  await cache.fault("latency", {}, { stream: "sideways" });
  try {
    await cache.down();
  } catch (error) {
    if (error instanceof ApiError) return error.status;
  }
  return cache.port + slow.name.length;
}
