// The types of faults as the server has them, and what the form makes of them.

// By type: whether it acts on a direction, and its fields by name. Those of the server, once they are loaded.
export let FAULTS = {};

// Attributes that only some protocols have, by attribute.
const ONLY = { rows: "psql", sqlstate: "psql", events: "http", status: "http", retry_after: "http", body: "http", error: "redis" };

// Attributes of faults on requests, which need a protocol.
const OF_REQUESTS = ["on", "at", "bytes", "rows", "events"];

// What stands beside the type's own attributes in the form.
const COMMON = ["side", "direction", "schedule"];

export async function loadFaults(headers) {
  const response = await fetch("/fault-types", { headers });
  if (!response.ok) throw new Error((await response.text()).trim());
  const own = ({ name }) => !COMMON.includes(name);
  FAULTS = Object.fromEntries((await response.json()).map(({ type, attributes }) => [type, {
    hasDirection: attributes.some(({ name }) => name === "direction"),
    isOfRequests: attributes.some(({ name }) => name === "on") && !attributes.some(({ name }) => name === "side"),
    fields: Object.fromEntries(attributes.filter(own).map((attribute) => [attribute.name, attribute])),
  }]));
}

// The types that can act on a proxy. Its requests have a protocol, or null.
export function typesFor(protocol) {
  return Object.keys(FAULTS).filter((type) => protocol !== null || !FAULTS[type].isOfRequests);
}

// The fields of a type for a new fault of such a proxy.
export function fieldsFor(type, protocol) {
  const { fields } = FAULTS[type];
  if (!("on" in fields)) return fields;
  if (protocol !== null) {
    return Object.fromEntries(Object.entries(fields).filter(([name]) => (ONLY[name] ?? protocol) === protocol));
  }
  const rest = Object.fromEntries(Object.entries(fields).filter(([name]) => !OF_REQUESTS.includes(name)));
  // Faults that can begin in the middle of data can also begin at its first byte.
  if ("after_bytes" in fields) rest.at = { ...fields.at, choices: fields.at.choices.filter((moment) => moment === "first-byte") };
  return rest;
}

export const labelOf = (name) => name.replaceAll("_", " ");

// The fields of a fault that is there: ours, or whatever it has.
export function fieldsOf(type, attributes) {
  const fields = FAULTS[type]?.fields;
  const names = Object.keys(attributes).filter((name) => !COMMON.includes(name));
  if (fields && names.every((name) => name in fields)) return fields;
  return Object.fromEntries(names.map((name) => [name, { choices: [], help: "", default: null }]));
}

// As the server takes it: a bare number is one, but a rate is a text, which has a unit of its own.
export function valueOf(type, name, text) {
  if (FAULTS[type]?.fields[name]?.type === "rate") return text;
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
