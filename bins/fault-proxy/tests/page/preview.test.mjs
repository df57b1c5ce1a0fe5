// Tests of the pure modules of the dialog: node --test preview.test.mjs, with PAGE_MODULES, a directory with the modules of the page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const load = (name) => import(join(process.env.PAGE_MODULES, name));
const { ctlAdd, ctlUpdate, curlAdd, curlUpdate, shellWord, toml, tomlValue } = await load("preview.js");
const { attributesFor, changeOf, changedFault, fieldOfProblem, goesWith, isToxic, missingIn, newFault, typesFor, valuesOf } = await load("fault-types.js");

const proxy = { name: "cache", listen: "127.0.0.1:6380", upstream: "redis://cache:6379" };
const target = { host: "127.0.0.1:8474", proxy, hasToken: false };
const attribute = (name, type, more = {}) => ({ name, type, help: "", default: null, choices: [], with: [], protocols: [], main: false, one_of: [], ...more });
const oneLine = (text) => text.replaceAll(" \\\n ", "");
const direction = (usual) => attribute("direction", "words", { default: usual, choices: ["ingress", "egress", "both"] });
const on = attribute("on", "text", { protocols: ["http", "psql", "redis"] });

const latency = { type: "latency", help: "", attributes: [
  attribute("distribution", "words", { choices: ["normal", "uniform"], default: "normal" }),
  attribute("mean", "time", { with: ["normal"] }), attribute("min", "time", { with: ["uniform"] }),
  attribute("once", "switch", { choices: ["true", "false"] }), on, attribute("rows", "number", { protocols: ["psql"] }),
  attribute("side", "words", { choices: ["client", "server"] }), direction("ingress"), attribute("times", "number"),
] };
const reset = { type: "reset", help: "", attributes: [
  attribute("after", "time"), on, attribute("side", "words", { choices: ["client", "server", "both"] }), direction("both; responses with after-bytes"),
] };
const bandwidth = { type: "bandwidth", help: "", attributes: [attribute("rate", "rate"), attribute("unit", "words"), direction("ingress")] };
const respond = { type: "respond", help: "", attributes: [on, attribute("sqlstate", "text", { protocols: ["psql"] }), attribute("status", "number", { protocols: ["http"] })] };

test("a shell reads a word as the text that it was", () => {
  for (const text of ["cache", "made/here", "it's", "a b", "$HOME", "`id`", "\"", "\\", "*", "~", "", "!x", "a\nb", "ü", "#", "-x"]) {
    assert.equal(execFileSync("sh", ["-c", `printf %s ${shellWord(text)}`], { encoding: "utf8" }), text);
  }
  assert.equal(shellWord("mean=300ms"), "mean=300ms");
});

test("a text is one of TOML", () => {
  assert.equal(tomlValue("it's \"here\"\\"), "\"it's \\\"here\\\"\\\\\"");
  assert.equal(tomlValue("a\x7fb"), "\"a\\u007fb\"");
  assert.equal(tomlValue(0.5), "0.5");
});

test("a fault is a command, a call and a table", () => {
  const fault = { type: "packet_loss", name: "it's lossy", stream: "upstream", toxicity: 0.5, ttl: "30s", attributes: { rate: "1%", good_loss: 0 } };
  assert.equal(ctlAdd(target, fault), [
    "fault-proxy ctl --addr 127.0.0.1:8474", "fault add cache packet_loss rate=1%", "good_loss=0 --name 'it'\\''s lossy'", "--stream upstream --toxicity 0.5 --ttl 30s",
  ].join(" \\\n  "));
  assert.equal(curlAdd(target, { type: "refuse", attributes: {} }),
    "curl -s http://127.0.0.1:8474/proxies/cache/toxics \\\n  -d '{\"type\": \"refuse\", \"attributes\": {}}'");
  assert.equal(toml(target, [fault], () => true), `[[proxies]]
name = "cache"
proxy = "127.0.0.1:6380=redis://cache:6379"

[[proxies.faults]]
type = "packet-loss"
name = "it's lossy"
rate = "1%"
good-loss = 0
direction = "egress"
probability = 0.5
# A file has no time to live. Set a schedule, such as duration:30s.`);
});

test("names that look like options, and the token", () => {
  const odd = { ...target, hasToken: true, proxy: { ...proxy, name: "-c" } };
  assert.equal(oneLine(ctlAdd(odd, { type: "refuse", name: "-n", attributes: {} })), "fault-proxy ctl --addr 127.0.0.1:8474 fault add --name=-n -- -c refuse");
  assert.match(curlAdd(odd, { type: "refuse", attributes: {} }), /\n {2}-H "Authorization: Bearer \$FAULT_CONTROL_TOKEN" \\\n/);
  assert(!toml({ ...target, proxy: { ...proxy, name: "proxy-3" } }, [], () => true).includes("name ="), "it is known by its position");
});

test("a change names what differs, and what is removed", () => {
  assert.equal(oneLine(ctlUpdate(target, "a b", { attributes: { mean: "1s" }, ttl: "5s" }, {})), "fault-proxy ctl --addr 127.0.0.1:8474 fault update cache 'a b' mean=1s --ttl 5s");
  assert.equal(oneLine(ctlUpdate(target, "n", { attributes: { times: null } }, { type: "latency", name: "n", attributes: { mean: 5 } })),
    "fault-proxy ctl --addr 127.0.0.1:8474 fault remove cache n\nfault-proxy ctl --addr 127.0.0.1:8474 fault add cache latency mean=5 --name n");
  assert.equal(curlUpdate(target, "a b", { attributes: { times: null } }),
    "curl -s -X PATCH http://127.0.0.1:8474/proxies/cache/toxics/a%20b \\\n  -d '{\"attributes\": {\"times\": null}}'");
});

test("a proxy without a protocol has no faults on requests", () => {
  assert.deepEqual(typesFor([latency, reset, respond], null).map(({ type }) => type), ["latency", "reset"]);
  const names = (protocol) => attributesFor(latency, protocol, [latency]).map(({ name }) => name);
  assert.deepEqual(names(null), ["distribution", "mean", "min", "once", "direction", "times"]);
  assert.deepEqual(names("http"), ["distribution", "mean", "min", "once", "on", "direction", "times"]);
  assert(names("psql").includes("rows"));
  const jitter = { type: "jitter", attributes: [attribute("times", "number", { help: "sessions" })] };
  const times = (protocol) => attributesFor(latency, protocol, [latency, jitter]).find(({ name }) => name === "times").help;
  assert.deepEqual([times(null), times("http")], ["sessions", ""]);
  assert(attributesFor(reset, null, []).some(({ name }) => name === "side"), "it chooses the connections to reset");
});

test("fields that do not go with the others are hidden, and not sent", () => {
  const [distribution, mean, min] = latency.attributes;
  const all = latency.attributes;
  assert(goesWith(mean, all, {}) && !goesWith(min, all, {}) && goesWith(distribution, all, {}));
  assert(goesWith(min, all, { distribution: "uniform" }));
  assert(!goesWith(direction("ingress"), all, { on: "commit" }), "`at` decides");
  assert.deepEqual(newFault(latency, all, { mean: "5", min: "1", direction: "upstream", on: "commit" }), { type: "latency", attributes: { mean: "5ms", on: "commit" } });
});

test("a required field that is empty is found", () => {
  const distribution = attribute("distribution", "words", { choices: ["normal", "uniform"], default: "normal" });
  const mean = attribute("mean", "time", { with: ["normal"], one_of: ["mean"], help: "Mean delay, for example 300ms" });
  const min = attribute("min", "time", { with: ["uniform"], one_of: ["min"] });
  assert.deepEqual(missingIn([distribution, mean, min], {}), { name: "mean", text: "is required, for example 300ms" });
  assert.deepEqual(missingIn([distribution, mean, min], { distribution: "uniform" }), { name: "min", text: "is required" });
  assert.equal(missingIn([distribution, mean, min], { mean: "5ms" }), null);
  assert.equal(missingIn([distribution, mean, min], { distribution: "table" }), null, "a fault of a file");
  const model = attribute("model", "words", { choices: ["bernoulli", "markov"], default: "bernoulli with a rate, otherwise markov" });
  const rate = attribute("rate", "share", { with: ["bernoulli"], one_of: ["rate"] });
  assert.equal(missingIn([rate, model], {}), null, "markov requires nothing");
  assert.equal(missingIn([rate, model], { model: "bernoulli" }).name, "rate");
  const part = ["bytes", "rows", "events"].map((name) => attribute(name, "number", { one_of: ["bytes", "rows", "events"], protocols: { rows: ["psql"], events: ["http"] }[name] ?? [] }));
  const ofPsql = attributesFor({ type: "truncate", attributes: part }, "psql", []);
  assert.deepEqual(missingIn(ofPsql, {}), { name: "bytes", text: "or Rows is required" });
  assert.equal(missingIn(ofPsql, { rows: "3" }), null);
});

test("values are those that the API takes", () => {
  const fault = (type, values) => newFault(type, type.attributes, values);
  assert.deepEqual(fault(latency, { mean: "300", once: "true", direction: "both", toxicity: "10%", ttl: "5", name: "n" }),
    { type: "latency", name: "n", toxicity: 0.1, ttl: "5ms", attributes: { mean: "300ms", once: true, direction: "both" } });
  assert.deepEqual(fault(latency, {}), { type: "latency", attributes: { direction: "ingress" } }, "else it were a toxic of Toxiproxy");
  assert.deepEqual(fault(latency, { direction: "upstream" }), { type: "latency", attributes: { direction: "egress" } });
  assert.deepEqual(fault(reset, { side: "client", direction: "upstream" }).attributes, { side: "client", direction: "ingress" });
  assert.deepEqual(fault(bandwidth, { rate: "1000" }).attributes, { rate: "1000Bps" });
  assert.deepEqual(fault(bandwidth, { rate: "5", unit: "mbit/s", direction: "upstream" }), { type: "bandwidth", stream: "upstream", attributes: { rate: 5, unit: "mbit/s" } });
  assert.deepEqual(fault(respond, { on: "commit", sqlstate: "40001" }).attributes, { on: "commit", sqlstate: "40001" });
});

test("a change has what differs from the fault", () => {
  const fault = { type: "latency", name: "n", stream: "downstream", toxicity: 1, attributes: { mean: 300, times: 2 } };
  const before = valuesOf(fault, latency.attributes, true);
  assert.deepEqual(before, { mean: "300ms", times: "2", direction: "downstream", name: "n", toxicity: "1", ttl: "" });
  assert.deepEqual(changeOf(latency, latency.attributes, before, before), {});
  const change = changeOf(latency, latency.attributes, before, { ...before, mean: "400", times: "", direction: "upstream", toxicity: "0.5", ttl: "1m" });
  assert.deepEqual(change, { attributes: { mean: "400ms", times: null, direction: "egress" }, toxicity: 0.5, ttl: "1m" });
  assert.deepEqual(changedFault(fault, change), { type: "latency", name: "n", stream: "downstream", toxicity: 0.5, ttl: "1m", attributes: { mean: "400ms", direction: "egress" } });
});

test("toxics of Toxiproxy are told apart", () => {
  assert(isToxic(latency, { attributes: { latency: 5, jitter: 0 } }));
  assert(!isToxic(latency, { attributes: { mean: 5 } }));
  assert(isToxic(bandwidth, { attributes: { rate: 5 } }));
  assert(!isToxic(bandwidth, { attributes: { rate: 5, unit: "Bps" } }) && !isToxic(bandwidth, { attributes: { rate: "1mbit/s" } }));
  assert(isToxic(undefined, { attributes: {} }));
  assert(!isToxic(latency, { attributes: { distribution: "table", table: "delays.csv" } }), "a fault of a file");
});

test("a problem is about a field", () => {
  const names = ["good_to_bad", "mean", "on", "ttl"];
  assert.deepEqual(fieldOfProblem("bad request body: latency: mean: is required, for example 300ms", "latency", names), { name: "mean", text: "is required, for example 300ms" });
  assert.deepEqual(fieldOfProblem("bad request body: packet-loss: good-to-bad: is required", "packet_loss", names), { name: "good_to_bad", text: "is required" });
  assert.deepEqual(fieldOfProblem("bad request body: ttl: 169h is too long", "latency", names), { name: "ttl", text: "169h is too long" });
  assert.deepEqual(fieldOfProblem("the fault `reset_downstream`: on: no such request", "reset", names), { name: "on", text: "no such request" });
  assert.deepEqual(fieldOfProblem("toxic already exists", "latency", names), { text: "toxic already exists" });
});
