// Changes by clients of the control API, in words.

import { clock } from "./format.js";
import { fill, table } from "./tables.js";

const MAX_ROWS = 100;

// The program of a client, and its address.
export function author({ client, user_agent }) {
  if (client === "ttl") return "end of its time to live";
  if (user_agent?.startsWith("Mozilla/")) return `browser (${client})`;
  const program = user_agent?.split(" ")[0];
  return program ? `${program} (${client})` : client;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const shown = (value) => (value === undefined ? "default" : typeof value === "string" ? value : JSON.stringify(value));

// The fields that differ, as "mean 200 → 300".
function differences(before, after, [off, on] = ["switched off", "switched on"]) {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) => {
    const [one, other] = [before[name], after[name]];
    if (JSON.stringify(one) === JSON.stringify(other) || name === "toxics") return [];
    if (isObject(one) && isObject(other)) return differences(one, other);
    if (name === "enabled") return [other === false ? off : on];
    return [`${name.replaceAll("_", " ")} ${shown(one)} → ${shown(other)}`];
  });
}

const parameters = ({ type, attributes }) => [type.replaceAll("_", " "), ...Object.entries(attributes).map(([name, value]) => `${name} ${shown(value)}`)].join(", ");

function ofFaults(before, after) {
  const names = [...new Set([...before, ...after].map(({ name }) => name))];
  return names.map((name) => {
    const [one, other] = [before, after].map((faults) => faults.find((fault) => fault.name === name));
    if (!one) return `${name} added: ${parameters(other)}`;
    if (!other) return `${name} removed`;
    return `${name}: ${differences(one, other).join(", ")}`;
  });
}

// What a change did.
export function inWords({ action, before, after }) {
  if (Array.isArray(before) && Array.isArray(after)) return ofFaults(before, after).join("; ") || action;
  if (!isObject(before)) return action === "create" ? `created${after?.upstream ? ` for ${after.upstream}` : ""}` : action;
  if (!isObject(after)) return action === "delete" ? "deleted" : action;
  const faults = ofFaults(before.toxics ?? [], after.toxics ?? []).filter((text) => !text.endsWith(": "));
  return [action === "reset" ? "reset" : "", ...differences(before, after, ["disabled", "enabled"]), ...faults].filter(Boolean).join("; ") || action;
}

// The list on the overview. Changes are read when there are new ones.
export class Changes {
  constructor(details, change) {
    Object.assign(this, { details, change, count: 0, read: null, all: [] });
    this.table = table(["No.", "At", "Proxy", ["Change", "wide"], ["By", "wide"]]);
    details.querySelector(".scroll").append(this.table);
  }

  // Returns whether there are new ones.
  async update(count) {
    if (this.read === count) return false;
    this.read = count;
    const { answer } = await this.change("GET", "/changes");
    if (!answer) {
      this.read = null; // with the next state, again
      return false;
    }
    this.all = answer;
    this.details.querySelector("b").textContent = count;
    fill(this.table, answer.slice(-MAX_ROWS).reverse(), ({ number }) => number, row);
    return true;
  }

  // Those of a proxy, the oldest first.
  of(name) {
    return this.all.filter(({ proxy }) => proxy === name);
  }
}

const row = (change) => [`#${change.number}`, clock(change.unix_ms), change.proxy, inWords(change), author(change)];
