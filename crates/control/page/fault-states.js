// The state of a fault in words, and as a chip.

import { element } from "./elements.js";
import { typeNamed } from "./fault-types.js";
import { NONE, age } from "./format.js";

export const STATES = {
  on: "on",
  idle: "on, never acted",
  scheduled: "waiting for its schedule",
  spent: "used up",
  off: "switched off",
};

const ORDER = Object.keys(STATES);

// A fault without windows has no effect with its parameters, such as a toxic of Toxiproxy whose attributes are 0.
export const isScheduled = ({ windows }) => windows.length > 0 && !(windows.length === 1 && windows[0][0] === 0 && windows[0][1] === null);

export function stateOf(fault) {
  if (!fault.enabled) return "off";
  if (fault.used_up) return "spent";
  if (!fault.on && isScheduled(fault)) return "scheduled";
  return fault.acted ? "on" : "idle";
}

const ACTS_ON = { upstream: "requests", downstream: "responses" };

// A fault on requests acts on those that its `on` selects, and at a moment instead of in a direction. `types` are those of
// `/fault-types`, which do not have all of Toxiproxy's toxics, or null if they are not read yet.
export function actsOn({ type, attributes, stream }, types) {
  if (attributes.on) return `selected requests: ${attributes.on}`;
  if (types === null) return NONE;
  if (typeNamed(types, type)?.target === "new_sessions") return "new\u00a0sessions";
  return attributes.direction === "both" ? "both\u00a0directions" : ACTS_ON[stream.toLowerCase()];
}

// The default name of a fault is its type and its stream: the type is enough, unless another fault has it.
export function labelsOf(faults) {
  const defaults = ({ type }) => ["upstream", "downstream", "both"].map((stream) => `${type.replaceAll("-", "_")}_${stream}`);
  const short = (fault) => (defaults(fault).includes(fault.name) ? fault.type.replaceAll(/[-_]/g, " ") : fault.name);
  return new Map(faults.map((fault) => [fault, faults.filter((other) => short(other) === short(fault)).length > 1 ? fault.name : short(fault)]));
}

// The sessions or requests that `times` allows.
function uses({ attributes: { times, on } }) {
  return `${times} ${on ? "request" : "session"}${times === 1 ? "" : "s"}`;
}

// The state with the time of the next change of its schedule.
export function inWords(fault, uptime) {
  const state = stateOf(fault);
  if (state === "spent") return `used up after ${uses(fault)}`;
  if (state === "off" || !isScheduled(fault)) return STATES[state];
  const next = fault.windows.flat().find((time) => time !== null && time > uptime);
  if (state === "scheduled") return next === undefined ? "schedule is over" : `on in ${age(next - uptime)}`;
  return next === undefined ? STATES[state] : `${STATES[state]}, off in ${age(next - uptime)}`;
}

export function chip(state, ...content) {
  return element("span", { className: `chip ${state}` }, ...content);
}

// The chip of a fault, with a name that is short if it is the default.
export function faultChip(fault, uptime, label = fault.name) {
  const made = chip(stateOf(fault), element("span", { className: "text", textContent: label, ariaHidden: "true" }),
    element("span", { className: "unseen", textContent: `${fault.name} (${inWords(fault, uptime)})` }));
  made.title = `${fault.name}: ${fault.description}; ${inWords(fault, uptime)}`;
  return made;
}

// Those that act come first.
export const byState = (one, other) => ORDER.indexOf(stateOf(one)) - ORDER.indexOf(stateOf(other));
