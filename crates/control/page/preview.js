// A fault as a command of ctl, a call of curl and a table of TOML. Pure functions: a target, which is the page's `host`, whether
// the API has a token, and the `proxy` as `/events` has it; and requests as the API takes them.

const WIDTH = 42;
const NEXT = " \\\n  ";

// Returns a word that a shell reads as this text.
export function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// Returns a value of TOML. JSON's texts are those of TOML, except for DEL.
export function tomlValue(value) {
  return typeof value === "string" ? JSON.stringify(value).replaceAll("\x7f", "\\u007f") : String(value);
}

const option = (name, value) => (String(value).startsWith("-") ? shellWord(`${name}=${value}`) : `${name} ${shellWord(String(value))}`);

// Words, in lines that fit into the preview.
function wrapped(words) {
  const lines = [[]];
  for (const word of words) {
    if (lines.at(-1).length && [...lines.at(-1), word].join(" ").length > WIDTH) lines.push([]);
    lines.at(-1).push(word);
  }
  return lines.map((line) => line.join(" ")).join(NEXT);
}

function command(start, positional, options) {
  const words = positional.map((word) => shellWord(String(word)));
  // A name that begins with a hyphen would be read as an option.
  const isOdd = positional.some((word) => String(word).startsWith("-"));
  return wrapped([...start, ...(isOdd ? [...options, "--", ...words] : [...words, ...options])]);
}

const ctl = ({ host }, action) => ["fault-proxy ctl", `--addr ${shellWord(host)}`, `fault ${action}`];

const assigned = (attributes) => Object.entries(attributes).map(([name, value]) => `${name}=${value}`);

const given = (options) => Object.entries(options).filter(([, value]) => value !== undefined).map(([name, value]) => option(`--${name}`, value));

export function ctlAdd(target, { type, name, stream, toxicity, ttl, attributes }) {
  return command(ctl(target, "add"), [target.proxy.name, type, ...assigned(attributes)], given({ name, stream, toxicity, ttl }));
}

// `after` is the changed fault. ctl cannot remove an attribute, so it adds the fault again.
export function ctlUpdate(target, name, { toxicity, ttl, attributes }, after) {
  if (Object.values(attributes ?? {}).includes(null)) {
    return [command(ctl(target, "remove"), [target.proxy.name, name], []), ctlAdd(target, after)].join("\n");
  }
  return command(ctl(target, "update"), [target.proxy.name, name, ...assigned(attributes ?? {})], given({ toxicity, ttl }));
}

export const pathOf = (proxy, fault) =>
  `/proxies/${encodeURIComponent(proxy)}/toxics${fault === undefined ? "" : `/${encodeURIComponent(fault)}`}`;

// JSON with spaces, at which a line can be broken.
function json(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${json(each)}`).join(", ")}}`;
}

function curl({ host, hasToken }, method, path, body) {
  const start = `curl -s${method === "POST" ? "" : ` -X ${method}`} ${shellWord(`http://${host}${path}`)}`;
  const header = hasToken ? ['-H "Authorization: Bearer $FAULT_CONTROL_TOKEN"'] : [];
  return [start, ...header, `-d ${shellWord(json(body))}`].join(NEXT);
}

export const curlAdd = (target, body) => curl(target, "POST", pathOf(target.proxy.name), body);

export const curlUpdate = (target, name, change) => curl(target, "PATCH", pathOf(target.proxy.name, name), change);

// The direction of a stream, relative to the connection of the side.
function directionOf(stream, side) {
  return (stream.toLowerCase() === "upstream") === (side === "client") ? "ingress" : "egress";
}

function tomlFault({ type, name, stream, toxicity, ttl, attributes }, hasDirection) {
  const own = { ...attributes };
  if (stream !== undefined && own.direction === undefined && own.on === undefined && hasDirection) own.direction = directionOf(stream, own.side);
  const share = toxicity === undefined || toxicity === 1 ? {} : { probability: toxicity };
  const keys = { type: type.replaceAll("_", "-"), ...(name === undefined ? {} : { name }), ...own, ...share };
  const lines = Object.entries(keys).map(([key, value]) => `${key.replaceAll("_", "-")} = ${tomlValue(value)}`);
  if (ttl !== undefined) lines.push("# A file has no time to live. Set a schedule, such as duration:30s.");
  return ["[[proxies.faults]]", ...lines].join("\n");
}

// A file with the proxy and these faults. `hasDirection` tells whether a type has one.
export function toml({ proxy }, faults, hasDirection) {
  // A proxy without a name is known by its position.
  const name = /^proxy-\d+$/.test(proxy.name) ? [] : [`name = ${tomlValue(proxy.name)}`];
  const head = ["[[proxies]]", ...name, `proxy = ${tomlValue(`${proxy.listen}=${proxy.upstream}`)}`].join("\n");
  return [head, ...faults.map((fault) => tomlFault(fault, hasDirection(fault.type)))].join("\n\n");
}
