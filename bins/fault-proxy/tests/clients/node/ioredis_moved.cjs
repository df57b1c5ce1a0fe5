// A client of Redis Cluster. Arguments: port of a proxy of the first node, which redirects the first `GET bar` to the second node, port of
// the second node.
//
// Prints the reply to two commands, how often the second node has redirected its clients, and how often it got ASKING.

const Redis = require("ioredis");

const [first, second] = process.argv.slice(2).map(Number);

async function main() {
  const direct = new Redis(second);
  await direct.config("RESETSTAT");
  const cluster = new Redis.Cluster([{ host: "127.0.0.1", port: first }]);
  await cluster.set("bar", "value");
  for (let command = 0; command < 2; command += 1) console.log(await cluster.get("bar"));
  console.log(/errorstat_MOVED:count=\d+/.exec(await direct.info("errorstats"))?.[0]);
  console.log("ASKING", Number(/cmdstat_asking:calls=(\d+)/.exec(await direct.info("commandstats"))?.[1] ?? 0));
  cluster.disconnect();
  direct.disconnect();
}

main();
