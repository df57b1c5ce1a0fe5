// What the form of a fault has, by the types of `/fault-types`, and the requests that it makes of its fields. Pure functions.

// Attributes of all types that are not in the grid of their type.
const COMMON = ["side", "direction", "skip", "every", "times", "schedule"];

const isBareNumber = (text) => /^\d+(\.\d+)?$/.test(text);
const DEFAULT_UNITS = { time: " ms", bytes: " B" };

// Fields of the top level of a request, in the form of attributes.
export const SHARE = {
  name: "toxicity", type: "share", choices: [], with: [], default: "1",
  help: "Share of sessions that the fault acts on, for example 0.1 or 10%",
};
export const NEW_TTL = {
  name: "ttl", type: "time", choices: [], with: [], default: null,
  help: "Time from now after which the fault is removed, for example 30s; if empty, this does not change",
};
export const TTL = {
  name: "ttl", type: "time", choices: [], with: [], default: null,
  help: "Time after which the fault is removed, for example 30s",
};

// The text in an empty field, and the help below it. A single example is in one of them only.
export function hintsOf({ type, default: usual, help }) {
  if (usual && usual.length < 16) return { placeholder: `default: ${usual}${isBareNumber(usual) ? DEFAULT_UNITS[type] ?? "" : ""}`, help };
  if (usual) return { placeholder: "", help: `${help}. Defaults to ${usual}` };
  const [example] = /(?<=for example )[^,;]+?(?= or |[,;]|$)/.exec(help) ?? [];
  return { placeholder: example ? `for example ${example}` : "", help: help.replace(/, for example (?:(?! or )[^,;])+(?=;|$)/, "") };
}

// Labels that say more than the name of the parameter.
const LABELS = { toxicity: "Share", ttl: "Remove after", direction: "Acts on" };

// The help of a field whose label is another word than its parameter in the command, with this parameter.
export const withParameter = (name, help) => (LABELS[name] ? `${help} (parameter ${name})` : help);

export const labelOf = (name) => {
  const words = { ...LABELS, mss: "MSS", rtt: "RTT", sqlstate: "SQLSTATE" }[name];
  return words ?? name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");
};

// The API takes `-` and `_` in a type, and shows it as it was given.
export const typeNamed = (types, name) => types.find(({ type }) => type === name.replaceAll("-", "_"));

export const has = (type, name) => type.attributes.some((attribute) => attribute.name === name);

// The types that can act on a proxy. Those that act on requests alone have no direction, and need a protocol.
export function typesFor(types, protocol) {
  return types.filter((type) => protocol !== null || has(type, "direction") || !has(type, "on"));
}

const PROTOCOLS = { http: "HTTP", psql: "PostgreSQL", redis: "Redis" };

// Sentences about other parameters, in words that do not need the format of the command line.
export const worded = (help) => help.replaceAll(/\b(requires|need|with) on\b/g, '$1 "On"');

// The help of an attribute without the examples of other protocols.
function helpFor({ name, help }, protocol) {
  if (name !== "on" || protocol === null) return worded(help);
  const [what, examples] = help.split(": ");
  const own = examples?.split(", ").find((example) => example.endsWith(` (${PROTOCOLS[protocol]})`));
  return own ? `${what}, for example ${own.slice(0, own.lastIndexOf(" ("))}` : help;
}

// The attributes of a type that mean something for a protocol, which is null if it is not known.
export function attributesFor(type, protocol, types) {
  const isOf = ({ protocols }) => protocols.length === 0 || protocols.includes(protocol);
  // With a direction, the side means something only where it chooses the connections to reset.
  const isNeeded = ({ name, choices }) => name !== "side" || choices.includes("both");
  const all = type.attributes.filter((attribute) => isOf(attribute) && isNeeded(attribute)).map((attribute) => ({ ...attribute, help: helpFor(attribute, protocol) }));
  const names = all.map(({ name }) => name);
  for (const attribute of all) attribute.one_of = attribute.one_of.filter((name) => names.includes(name));
  if (protocol !== null) return all;
  // Their help in a type that never acts on requests does not mention requests.
  const others = types.find((other) => !has(other, "on"))?.attributes ?? [];
  const isCounted = ({ name }) => ["skip", "every", "times"].includes(name);
  return all.map((attribute) => (isCounted(attribute) ? { ...attribute, help: others.find(({ name }) => name === attribute.name)?.help ?? attribute.help } : attribute));
}

export const isCommon = ({ name }) => COMMON.includes(name);

// The default of a choice. If it depends on another parameter ("bernoulli with a rate, otherwise markov"), it is the one with this
// parameter, which the form shows first.
export function defaultOf(choice) {
  const [, one] = /^(\S+) with an? \S+, otherwise \S+$/.exec(choice?.default ?? "") ?? [];
  return one ?? choice?.default;
}

// Whether an attribute goes with the values of the others: `with` are values of the choice of its type, such as a distribution.
export function goesWith(attribute, attributes, values) {
  if (attribute.name === "direction" && values.on) return false;
  if (attribute.with.length === 0) return true;
  const choice = attributes.find(({ choices }) => attribute.with.every((value) => choices.includes(value)));
  const chosen = values[choice?.name] || defaultOf(choice);
  return !choice?.choices.includes(chosen) || attribute.with.includes(chosen);
}

// Whether an attribute, or another one of its `one_of`, is required with these values. A default in words depends on other parameters, and
// requires nothing.
export function isRequired({ one_of: names = [], with: allowed }, attributes, values) {
  const isChosen = ({ name, choices, default: usual }) => choices.includes(allowed[0]) && allowed.includes(values[name] || usual);
  return names.length > 0 && (allowed.length === 0 || attributes.some(isChosen));
}

// The attribute that is required and missing, and what is wrong with it, or null.
export function missingIn(attributes, values) {
  const attribute = attributes.find((each) => isRequired(each, attributes, values) && each.one_of.every((name) => !values[name]));
  if (!attribute) return null;
  const others = attribute.one_of.filter((name) => name !== attribute.name).map((name) => `or ${labelOf(name)} `);
  const { placeholder } = hintsOf(attribute);
  return { name: attribute.name, text: `${others.join("")}is required${placeholder ? `, ${placeholder}` : ""}` };
}

// A field's text as the API takes it. Bare numbers get a unit, because Toxiproxy's toxics have other ones.
export function valueFor({ type }, text, values) {
  const isNumber = isBareNumber(text);
  if (type === "switch") return text === "true";
  if (type === "text" || type === "words" || !isNumber) return text;
  if (type === "time") return `${text}ms`;
  if (type === "bytes") return `${text}B`;
  if (type === "rate" && !values.unit) return `${text}Bps`;
  return Number(text);
}

// A share at the top level is a number. A text that is not a share stays as it is.
function shareFor(text) {
  const share = text.endsWith("%") ? Number((Number(text.slice(0, -1)) / 100).toPrecision(12)) : Number(text);
  return share >= 0 && share <= 1 ? share : text;
}

// What is wrong with a share, which the API would limit without an error.
export function problemOfShare(text) {
  return text && typeof shareFor(text) === "string" ? `${JSON.stringify(text)} is not a share: use 0 to 1, for example 0.1 or 10%` : null;
}

function attributesOf(type, attributes, values) {
  const given = attributes.filter((attribute) => values[attribute.name] && attribute.name !== "direction" && goesWith(attribute, attributes, values));
  return Object.fromEntries(given.map((attribute) => [attribute.name, valueFor(attribute, values[attribute.name], values)]));
}

// The attribute `direction` for requests (`upstream`), responses or both.
function directionFor(stream, side) {
  if (stream === "both") return "both";
  return (stream === "upstream") === (side === "client") ? "ingress" : "egress";
}

// The request that adds a fault of this type. `values` are the texts of the fields by name; empty ones are left out.
export function newFault(type, attributes, values) {
  const body = { type: type.type };
  const own = attributesOf(type, attributes, values);
  const takesDirection = has(type, "direction") && !values.on;
  if (takesDirection && values.direction && (values.direction === "both" || own.side)) own.direction = directionFor(values.direction, own.side);
  else if (takesDirection && values.direction) body.stream = values.direction;
  // Without an attribute, it would be Toxiproxy's toxic of this name.
  if (has(type, "direction") && Object.keys(own).length === 0) {
    own.direction = values.direction ? directionFor(values.direction) : defaultDirection(type);
    delete body.stream;
  }
  if (values.name) body.name = values.name;
  if (values.toxicity) body.toxicity = shareFor(values.toxicity);
  if (values.ttl) body.ttl = valueFor(TTL, values.ttl, values);
  body.attributes = own;
  return body;
}

export const defaultDirection = (type) => type.attributes.find(({ name }) => name === "direction").default.split(";")[0];

// Whether a fault is a toxic of Toxiproxy, whose attributes are numbers in units of their own.
export function isToxic(type, { attributes }) {
  if (!type) return true;
  // The API does not take a table, but a fault of a file can have one.
  const isOther = Object.keys(attributes).some((name) => !has(type, name) && name !== "table");
  return isOther || (type.type === "bandwidth" && typeof attributes.rate === "number" && !attributes.unit);
}

// The attributes of a toxic, from the fault itself.
export function toxicAttributes({ attributes }) {
  return Object.keys(attributes).map((name) =>
    ({ name, type: "number", help: "As Toxiproxy counts it", choices: [], with: [], default: null, main: true, protocols: [], one_of: [] }));
}

const UNITS = { time: "ms", bytes: "B" };

// The texts of the fields for a fault that exists.
export function valuesOf({ name, stream, toxicity, attributes }, fields, isNative) {
  const withUnit = ([key, value]) => {
    const unit = typeof value === "number" ? UNITS[fields.find((field) => field.name === key)?.type] : undefined;
    return [key, `${value}${unit ?? ""}`];
  };
  const values = Object.fromEntries(Object.entries(attributes).map(withUnit));
  if (isNative) values.direction = attributes.direction === "both" ? "both" : stream.toLowerCase();
  return { ...values, name, toxicity: String(toxicity), ttl: "" };
}

// The request that changes a fault: what differs from `before`, the texts of its fields. An attribute that was emptied is null.
export function changeOf(type, attributes, before, values) {
  const now = attributesOf(type, attributes, values);
  const change = {};
  for (const { name } of attributes) {
    if (name === "direction") continue;
    if (now[name] === undefined && before[name]) change[name] = null;
    else if (now[name] !== undefined && values[name] !== before[name]) change[name] = now[name];
  }
  const takesDirection = type && has(type, "direction") && !values.on;
  if (takesDirection && values.direction && values.direction !== before.direction) change.direction = directionFor(values.direction, now.side);
  return {
    ...(Object.keys(change).length ? { attributes: change } : {}),
    ...(values.toxicity && values.toxicity !== before.toxicity ? { toxicity: shareFor(values.toxicity) } : {}),
    ...(values.ttl ? { ttl: valueFor(TTL, values.ttl, values) } : {}),
  };
}

// The field that a problem of the API is about, and what is wrong with it.
export function fieldOfProblem(problem, type, names) {
  const text = problem.replace(/^bad request body: /, "").replace(/^the fault `.*?`: /, "");
  const own = text.replace(new RegExp(`^${type.replaceAll("_", "[-_]")}: `), "");
  const name = names.find((each) => new RegExp(`^${each.replaceAll("_", "[-_]")}\\b`).test(own));
  return name === undefined ? { text } : { name, text: own.replace(new RegExp(`^${name.replaceAll("_", "[-_]")}: `), "") };
}

// A fault as it is after a change, in the form of a request.
export function changedFault({ type, name, stream, toxicity, attributes }, change) {
  const own = Object.fromEntries(Object.entries({ ...attributes, ...change.attributes }).filter(([, value]) => value !== null));
  const share = change.toxicity ?? toxicity;
  return { type, name, stream, ...(share === 1 ? {} : { toxicity: share }), ...(change.ttl ? { ttl: change.ttl } : {}), attributes: own };
}
