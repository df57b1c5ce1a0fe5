// Tests of the pure modules that put changes, marks and states of faults into words: node --test changes.test.mjs, with PAGE_MODULES, a
// directory with the modules of the page.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

const load = (name) => import(join(process.env.PAGE_MODULES, name));
const { inWords } = await load("changes.js");
const { actsOn, inWords: stateInWords, stateOf } = await load("fault-states.js");
const { bytes, measured, millis, quantiles, rate, shortest, unbroken } = await load("format.js");
const { goesWith, hintsOf } = await load("fault-types.js");
const { labelOf, labelled } = await load("marks.js");
const { kindsOf, withUnit, readable } = await load("units.js");

const attribute = (name, type, more = {}) => ({ name, type, help: "", default: null, choices: [], with: [], protocols: [], main: false, one_of: [], ...more });
const TYPES = [
  { type: "latency", attributes: [attribute("mean", "time"), attribute("stddev", "time"), attribute("times", "number"), attribute("direction", "words")] },
  { type: "packet_loss", attributes: [attribute("rate", "share"), attribute("mss", "bytes"), attribute("direction", "words")] },
  { type: "bandwidth", attributes: [attribute("rate", "rate"), attribute("unit", "words"), attribute("burst", "bytes"), attribute("direction", "words")] },
  { type: "timeout", attributes: [attribute("after", "time"), attribute("after_bytes", "bytes"), attribute("direction", "words")] },
];

test("values have the unit of their type", () => {
  const times = { 0: "0 ms", 0.5: "500 µs", 120: "120 ms", 1500: "1.5 s", 1234: "1.234 s", 59_900: "59.9 s", 60_000: "1 min", 90_000: "1.5 min", 90_123.456: "90.123 s", 924_600: "924.6 s", 3_600_000: "1 h", 5_400_000: "1.5 h", 3_661_000: "3661 s", 0.0001: "0.1 µs" };
  for (const [value, text] of Object.entries(times)) assert.equal(withUnit("time", Number(value)), text);
  assert.deepEqual([65_536, 1460, 3 * 2 ** 20, 100_000].map((value) => withUnit("bytes", value)), ["64 KiB", "1,460 B", "3 MiB", "100,000 B"]);
  assert.deepEqual([0.05, 1, 0.001].map((value) => withUnit("share", value)), ["5%", "100%", "0.1%"]);
  assert.deepEqual([withUnit("time", "2s"), withUnit("number", 3), withUnit("switch", true), withUnit("time", undefined)], ["2 s", "3", "true", "default"]);
});

test("quantities of the command line are written for people", () => {
  const texts = { "1.6mbit/s": "1.6 Mbit/s", "768kbit/s": "768 kbit/s", "150ms": "150 ms", "924.6s": "924.6 s", "5m": "5 min", "5us": "5 µs", "5%": "5%", "start:5m": "start:5m", proxy: "proxy" };
  for (const [text, shown] of Object.entries(texts)) assert.equal(readable(text), shown);
});

test("a line does not break within a quantity", () => {
  assert.equal(unbroken("Correlation, 0 to 1, or 0.1 or 10%, or 5 ms of 768 kbit/s, 1 mbit/s"), "Correlation, 0\u00a0to\u00a01, or 0.1\u00a0or\u00a010%, or 5\u00a0ms of 768\u00a0kbit/s, 1\u00a0mbit/s");
});

test("figures of one unit have the same decimals, and labels of axes those that they need", () => {
  assert.deepEqual([0, 7, 999.4, 999.5, 13_000, 26_300, 999_949, 999_950, 2e9].map((count) => bytes(count)), ["0 B", "7 B", "999 B", "1.0 KB", "13.0 KB", "26.3 KB", "999.9 KB", "1.0 MB", "2.0 GB"]);
  assert.deepEqual([0, 0.0978, 0.9995, 60, 26.34, 999.94, 999.95, 61_500].map((time) => millis(time)), ["0.0 ms", "98 µs", "1.0 ms", "60.0 ms", "26.3 ms", "999.9 ms", "1.0 s", "61.5 s"]);
  assert.deepEqual([rate(300_000, shortest), rate(1500, shortest), millis(0, shortest), millis(5, shortest)], ["300 KB/s", "1.5 KB/s", "0 ms", "5 ms"]);
  assert.deepEqual([measured(0.0596), measured(0.1), measured(null), quantiles(null)], ["5.96%", "10.00%", "–", "–"]);
  assert.deepEqual(quantiles({ p50: 1, p99: 250 }), ["1.0 ms", "250.0 ms"]);
});

test("the units of toxics are those of Toxiproxy", () => {
  const value = (type, attributes, name) => withUnit(kindsOf(TYPES, { type, attributes })(name), attributes[name]);
  assert.equal(value("latency", { latency: 1000, jitter: 5 }, "latency"), "1 s");
  assert.equal(value("bandwidth", { rate: 100 }, "rate"), "100 KB/s");
  assert.equal(value("bandwidth", { rate: 5, unit: "mbit/s" }, "rate"), "5");
  assert.equal(value("slicer", { average_size: 64, size_variation: 0, delay: 10 }, "delay"), "10 µs");
  assert.equal(value("limit_data", { bytes: 2048 }, "bytes"), "2 KiB");
});

test("a change is told with units", () => {
  const fault = (attributes, more = {}) => ({ name: "slow", type: "latency", stream: "downstream", toxicity: 1, attributes, ...more });
  const told = (before, after) => inWords({ action: "update", before, after }, TYPES);
  assert.equal(told([], [fault({ mean: 120, stddev: 20 })]), "slow added: latency, mean 120 ms, stddev 20 ms");
  assert.equal(told([fault({ mean: 120, times: 2 })], [fault({ mean: 3_600_000 })]), "slow: mean 120 ms → 1 h, times 2 → default");
  assert.equal(told([fault({ mean: 5 })], [fault({ mean: 5 }, { toxicity: 0.25, enabled: false })]), "slow: share 100% → 25%, switched off");
  const proxy = (toxics, enabled = true) => ({ name: "p", listen: "a", upstream: "b", enabled, toxics });
  assert.equal(told(proxy([fault({ mean: 5 })]), proxy([], false)), "disabled; slow removed");
  assert.equal(told(proxy([]), proxy([{ ...fault({ after: 3_600_000 }), type: "timeout" }])), "slow added: timeout, after 1 h");
});

test("marks that are close share a label that names all of them", () => {
  assert.deepEqual([[7], [3, 4, 5], [3, 7], [3, 5, 9]].map(labelOf), ["#7", "#3–5", "#3, 7", "#3…9"]);
  const mark = (number, place) => ({ number, place, title: `change ${number}` });
  const labels = labelled([mark(1, 100), mark(2, 300), mark(3, 300.2), mark(4, 301), mark(5, 400)]);
  assert.deepEqual(labels.map(({ label }) => label), ["#5", "#2–4", "#1"]);
  assert.equal(labels[1].title, "3 changes, from #2 to #4:\nchange 2\nchange 3\nchange 4");
  const many = Array.from({ length: 200 }, (_, index) => mark(index + 1, index * 3));
  const shown = labelled(many);
  assert.equal(shown.flatMap(({ title }) => title.split("\n").filter((line) => line.startsWith("change "))).length, 200, "none is left out");
  shown.slice(1).forEach(({ right }, index) => assert(right <= shown[index].right - 7 * shown[index].label.length, "labels do not overlap"));
  assert(shown.every(({ right, label }) => right >= 7 * label.length), "none is cut off at the left");
  const [last, first] = labelled([mark(3, 100), mark(4, 160), mark(5, 180), mark(6, 181)], 190);
  assert.deepEqual([first.label, last.label, last.right], ["#3", "#4–6", 184.5], "a label is over its marks");
  assert.equal(labelled([mark(7, 189)], 190)[0].right, 190, "none is cut off at the right");
});

test("a fault that is used up is not on", () => {
  const fault = (more) => ({ enabled: true, on: true, acted: true, used_up: true, windows: [[0, null]], attributes: { times: 1 }, ...more });
  assert.deepEqual([fault(), fault({ used_up: false }), fault({ enabled: false })].map(stateOf), ["spent", "on", "off"]);
  assert.equal(stateInWords(fault(), 0), "used up after 1 session");
  assert.equal(stateInWords(fault({ attributes: { times: 2, on: "commit" } }), 0), "used up after 2 requests");
});

test("a fault on requests acts on those that it selects", () => {
  const types = [{ type: "latency", target: "data" }, { type: "slow_open", target: "new_sessions" }];
  const on = (type, stream, attributes = {}) => actsOn({ type, stream, attributes }, types);
  assert.equal(on("lose_response", "downstream", { on: "POST /orders/*" }), "selected requests: POST /orders/*");
  assert.equal(on("latency", "Upstream"), "requests");
  assert.equal(on("slow-open", "downstream"), "new\u00a0sessions");
  assert.equal(on("reset_peer", "downstream"), "responses");
  assert.equal(on("latency", "downstream", { direction: "both" }), "both\u00a0directions");
  assert.equal(actsOn({ type: "slow_open", stream: "downstream", attributes: {} }, null), "–", "the types are not read yet");
});

test("an example is in the field or below it", () => {
  const hints = (help, more = {}) => hintsOf(attribute("a", "time", { help, ...more }));
  assert.deepEqual(hints("Time after which, for example 30s"), { placeholder: "for example 30s", help: "Time after which" });
  assert.deepEqual(hints("Mean delay, for example 300ms; a bare number is in ms"), { placeholder: "for example 300ms", help: "Mean delay; a bare number is in ms" });
  assert.deepEqual(hints("Share, for example 0.01 or 1%"), { placeholder: "for example 0.01", help: "Share, for example 0.01 or 1%" });
  assert.deepEqual(hints("Error, for example 40001, 40P01 or 53300"), { placeholder: "for example 40001", help: "Error, for example 40001, 40P01 or 53300" });
  assert.deepEqual(hints("Deviation", { default: "0" }), { placeholder: "default: 0 ms", help: "Deviation" });
  assert.deepEqual(hints("Amount", { default: "what the rate allows in 1 ms" }), { placeholder: "", help: "Amount. Defaults to what the rate allows in 1 ms" });
});

test("the first model of a default that depends on a rate hides the parameters of the others", () => {
  const model = attribute("model", "words", { default: "bernoulli with a rate, otherwise markov", choices: ["bernoulli", "gilbert-elliott", "markov"] });
  const [rate, good] = [attribute("rate", "share", { with: ["bernoulli"] }), attribute("good_loss", "share", { with: ["gilbert-elliott"] })];
  const all = [rate, model, good];
  assert.deepEqual([goesWith(rate, all, {}), goesWith(good, all, {})], [true, false]);
  assert.deepEqual([goesWith(rate, all, { model: "gilbert-elliott" }), goesWith(good, all, { model: "gilbert-elliott" })], [false, true]);
});
