// The types of faults as the server has them, and what the form makes of them.

// By type: whether it acts on a direction, and its fields by name. Those of the server, once they are loaded.
export let FAULTS = {};

// What stands beside the type's own attributes in the form.
const COMMON = ["side", "direction", "schedule"];

export async function loadFaults(headers) {
  const response = await fetch("/fault-types", { headers });
  if (!response.ok) throw new Error((await response.text()).trim());
  const own = ({ name }) => !COMMON.includes(name);
  FAULTS = Object.fromEntries((await response.json()).map(({ type, attributes }) => [type, {
    hasDirection: attributes.some(({ name }) => name === "direction"),
    fields: Object.fromEntries(attributes.filter(own).map((attribute) => [attribute.name, attribute])),
  }]));
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
