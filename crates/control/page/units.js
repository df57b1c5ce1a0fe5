// Values of parameters with their units, by the types of `/fault-types`. Pure functions.

import { isToxic, typeNamed } from "./fault-types.js";
import { whole } from "./format.js";

// Units of the toxics of Toxiproxy, whose attributes are bare numbers.
const TOXICS = {
  latency: { latency: "time", jitter: "time" },
  bandwidth: { rate: "kilobytes" },
  slow_close: { delay: "time" },
  timeout: { timeout: "time" },
  reset_peer: { timeout: "time" },
  slicer: { average_size: "bytes", size_variation: "bytes", delay: "micros" },
  limit_data: { bytes: "bytes" },
};

const LONG = [[3_600_000, "h"], [60_000, "min"]];
const TIMES = [[1000, "s"], [1, "ms"], [0.001, "µs"]];
const SIZES = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]];

const tidy = (number) => Number(number.toPrecision(12));

// A time as descriptions of faults have it: in hours or minutes if it is exact with one decimal, and otherwise with three decimals.
function time(ms) {
  const isShort = (value) => value >= 1 && Number.isInteger(tidy(value * 10));
  const [size, unit] = LONG.find(([size]) => isShort(ms / size)) ?? TIMES.find(([size]) => ms >= size) ?? [ms ? 0.001 : 1, ms ? "µs" : "ms"];
  return `${Math.round((ms / size) * 1000) / 1000} ${unit}`;
}

function size(bytes) {
  const [factor, unit] = SIZES.find(([factor]) => bytes >= factor && Number.isInteger(bytes / factor)) ?? [1, "B"];
  return `${whole(bytes / factor)} ${unit}`;
}

const WITH_UNIT = {
  time,
  bytes: size,
  share: (share) => `${tidy(share * 100)}%`,
  rate: (rate) => `${rate} B/s`,
  kilobytes: (rate) => `${rate} KB/s`,
  micros: (micros) => time(micros / 1000),
};

const UNIT_NAMES = { "kbit/s": "kbit/s", "mbit/s": "Mbit/s", "gbit/s": "Gbit/s", us: "µs", ms: "ms", s: "s", m: "min", h: "h" };

// A quantity of the command line, such as "1.6mbit/s", as people write it. Other texts stay as they are.
export function readable(text) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([a-z/]+)$/.exec(text) ?? [];
  return UNIT_NAMES[unit] ? `${number} ${UNIT_NAMES[unit]}` : text;
}

// Texts have their unit already.
export function withUnit(kind, value) {
  if (value === undefined || value === null) return "default";
  if (typeof value === "number") return (WITH_UNIT[kind] ?? String)(value);
  return typeof value === "string" ? readable(value) : JSON.stringify(value);
}

// Returns a function that gives the kind of values of an attribute of a fault.
export function kindsOf(types, fault) {
  const type = typeNamed(types, fault.type);
  if (isToxic(type, fault)) return (name) => TOXICS[fault.type.replaceAll("-", "_")]?.[name];
  // A bare rate is in the unit of the attribute beside it.
  const isBare = (name) => name === "rate" && fault.attributes.unit !== undefined;
  return (name) => (isBare(name) ? undefined : type.attributes.find((attribute) => attribute.name === name)?.type);
}
