// Transactions of a pool of node-postgres. Arguments: port of the proxy, port of the server.
//
// Prints, for each transaction, the error, how many rows are there, and how many connections the pool has left.

const { Client, Pool } = require("pg");

const [proxy, server] = process.argv.slice(2).map(Number);
const settings = { host: "127.0.0.1", user: "postgres", database: "postgres", ssl: false };

async function attempt(pool) {
  const client = await pool.connect();
  // The pool listens only to clients that are idle.
  client.on("error", () => {});
  let failure;
  try {
    await client.query("begin");
    await client.query({ name: "order", text: "insert into orders values ($1)", values: [1] });
    await client.query("commit");
  } catch (error) {
    failure = error;
  }
  client.release(failure);
  return failure ? failure.code ?? failure.message : "ok";
}

async function main() {
  const direct = new Client({ ...settings, port: server });
  await direct.connect();
  await direct.query("create table orders (id int)");
  const pool = new Pool({ ...settings, port: proxy, max: 1 });
  for (let transaction = 0; transaction < 3; transaction += 1) {
    const result = await attempt(pool);
    const { rows } = await direct.query("select count(*)::int from orders");
    console.log(result, rows[0].count, pool.totalCount);
  }
  await pool.end();
  await direct.end();
}

main();
