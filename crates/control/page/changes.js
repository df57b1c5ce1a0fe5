// Changes by clients of the control API, in words.

import { clock, unbroken } from "./format.js";
import { Folded } from "./tables.js";
import { kindsOf, withUnit } from "./units.js";

const MAX_ROWS = 100;
const NOTHING = -1;

// The program of a client, and its address.
export function author({ client, user_agent }) {
  if (client === "ttl") return "end of its time to live";
  if (user_agent?.startsWith("Mozilla/")) return `browser (${client})`;
  const program = user_agent?.split(" ")[0];
  return program ? `${program} (${client})` : client;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// Fields of a fault beside its attributes.
const FIELDS = { toxicity: "share", ttl: "time" };
const labelOf = (name) => (name === "toxicity" ? "share" : name.replaceAll("_", " "));

// The fields that differ, as "mean 200 ms → 300 ms".
function differences(before, after, kindOf = () => undefined, [off, on] = ["switched off", "switched on"]) {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) => {
    const [one, other] = [before[name], after[name]];
    if (JSON.stringify(one) === JSON.stringify(other) || name === "toxics") return [];
    if (isObject(one) && isObject(other)) return differences(one, other, kindOf);
    if (name === "enabled") return [other === false ? off : on];
    const [was, is] = [one, other].map((value) => withUnit(kindOf(name), value));
    return [`${labelOf(name)} ${was} → ${is}`];
  });
}

function parameters(fault, types) {
  const kindOf = kindsOf(types, fault);
  const values = Object.entries(fault.attributes).map(([name, value]) => `${labelOf(name)} ${withUnit(kindOf(name), value)}`);
  return [labelOf(fault.type), ...values].join(", ");
}

function differencesOfFaults(one, other, types) {
  const kindOf = kindsOf(types, other);
  return differences(one, other, (name) => FIELDS[name] ?? kindOf(name)).join(", ");
}

function ofFaults(before, after, types) {
  const names = [...new Set([...before, ...after].map(({ name }) => name))];
  return names.map((name) => {
    const [one, other] = [before, after].map((faults) => faults.find((fault) => fault.name === name));
    if (!one) return `${name} added: ${parameters(other, types)}`;
    if (!other) return `${name} removed`;
    return `${name}: ${differencesOfFaults(one, other, types)}`;
  });
}

// What a change did. `types` are those of `/fault-types`.
export function inWords({ action, before, after }, types) {
  if (Array.isArray(before) && Array.isArray(after)) return ofFaults(before, after, types).join("; ") || action;
  if (!isObject(before)) return action === "create" ? `created${after?.upstream ? ` for ${after.upstream}` : ""}` : action;
  if (!isObject(after)) return action === "delete" ? "deleted" : action;
  const faults = ofFaults(before.toxics ?? [], after.toxics ?? [], types).filter((text) => !text.endsWith(": "));
  return [action === "reset" ? "reset" : "", ...differences(before, after, undefined, ["disabled", "enabled"]), ...faults].filter(Boolean).join("; ") || action;
}

// The list on the overview. Changes are read when there are new ones.
export class Changes {
  constructor(details, change) {
    Object.assign(this, { details, change, turn: 0, read: NOTHING, all: [], types: null });
    this.rows = new Folded("Changes", ["No.", "At", ["Proxy", "breaks"], ["Change", "wide"], ["By", "wide"]]);
    this.rows.table.classList.add("compact");
    details.append(this.rows.root);
  }

  // The connection was lost: another server may count anew.
  interrupt() {
    this.read = NOTHING;
  }

  // Reads the changes, unless so many are read already. Returns whether there are new ones.
  async update(count) {
    if (this.read >= count) return false;
    this.read = count;
    return this.load();
  }

  async load() {
    const turn = this.turn += 1;
    this.types = this.types ?? (await this.change("GET", "/fault-types")).answer;
    const { answer } = this.types ? await this.change("GET", "/changes") : {};
    // An answer that arrives after a later one is older.
    if (turn !== this.turn) return false;
    if (!answer) {
      this.interrupt(); // with the next state, again
      return false;
    }
    this.all = answer;
    this.read = Math.max(this.read, answer.at(-1)?.number ?? 0);
    this.details.querySelector("b").textContent = this.read;
    this.rows.fill(answer.slice(-MAX_ROWS).reverse(), ({ number }) => number, (change) => [`#${change.number}`, clock(change.unix_ms), change.proxy, unbroken(this.inWords(change)), author(change)]);
    return true;
  }

  inWords(change) {
    return inWords(change, this.types);
  }

  // Those of a proxy, the oldest first.
  of(name) {
    return this.all.filter(({ proxy }) => proxy === name);
  }
}
