// Commands of ioredis. Arguments: port of a proxy that responds to each `SET session:*` with READONLY, port of one that does so once,
// port of the server.
//
// Prints what the client sees.

const Redis = require("ioredis");

const [readonly, once, server] = process.argv.slice(2).map(Number);

const code = (error) => error?.message?.split(" ")[0];

async function main() {
  const client = new Redis(readonly);
  console.log("set", await client.set("a", 1), code(await client.set("session:1", 1).catch((error) => error)));
  const replies = await client.pipeline().set("a", 2).set("session:1", 2).get("a").exec();
  console.log("pipeline", ...replies.map(([error, reply]) => code(error) ?? reply));
  const multi = client.multi().set("a", 3).set("session:1", 3).exec();
  console.log("multi", code(await multi.catch((error) => error)));
  console.log("after", await client.get("a"), await client.get("session:1"));
  client.disconnect();

  // As the documentation of ioredis recommends for a failover: it reconnects, and sends the command again.
  const failover = new Redis(once, { reconnectOnError: (error) => (code(error) === "READONLY" ? 2 : false) });
  let connections = 0;
  failover.on("connect", () => (connections += 1));
  console.log("failover", await failover.set("session:2", 4), connections);
  failover.disconnect();

  const direct = new Redis(server);
  console.log("server", await direct.get("a"), await direct.get("session:1"), await direct.get("session:2"));
  direct.disconnect();
}

main();
