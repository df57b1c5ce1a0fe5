// Requests of fetch, which keeps connections open. Argument: port of the proxy.
//
// The proxy loses the response to the first order and truncates the report. Prints what the client sees.

const base = `http://127.0.0.1:${process.argv[2]}`;

const failure = (error) => `${error.name}: ${error.message} (${error.cause?.code})`;

async function show(method, path) {
  try {
    const response = await fetch(base + path, { method, body: method === "POST" ? "one" : undefined });
    console.log(method, path, await response.text());
  } catch (error) {
    console.log(method, path, failure(error));
  }
}

async function main() {
  await show("GET", "/count");
  await show("POST", "/other");
  await show("POST", "/orders/1");
  await show("GET", "/count");
  await show("POST", "/orders/1");
  await show("GET", "/report");
}

main();
