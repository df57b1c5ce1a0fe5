// The faults of a proxy: a table with a switch for each, and the schedule.

import { openFaultDialog } from "./dialog.js";
import { element } from "./elements.js";
import { actsOn, chip, inWords, isScheduled, stateOf } from "./fault-states.js";
import { age, percent, unbroken, whole } from "./format.js";
import { Messages } from "./messages.js";
import { fill, number, table } from "./tables.js";

export class Faults {
  // `changes` has the types of faults.
  constructor({ change, changes }) {
    Object.assign(this, { change, changes, messages: new Messages(), ofRows: new Map() });
    this.table = table([["Fault", "name"], ["What it does", "wide"], "Acts on", number("Share"), "State", number("Times acted"), ["Controls", "wide"]]);
    this.table.classList.add("faults");
    this.none = element("p", { className: "none", });
    this.bars = element("div", { className: "bars" });
    this.schedule = element("div", { className: "schedule" }, element("h4", { textContent: "Schedule" }), this.bars);
    const add = element("button", { type: "button", className: "primary", textContent: "Add a fault" });
    add.addEventListener("click", () => this.open());
    this.section = element("section", { className: "panel" }, element("header", {}, element("h3", { textContent: "Faults" }), add), this.messages.root,
      this.none, element("div", { className: "scroll" }, this.table), this.schedule);
  }

  update(proxy, state) {
    Object.assign(this, { proxy, state });
    this.none.hidden = proxy.faults.length > 0;
    this.none.textContent = proxy.enabled ? "No faults. Traffic is forwarded unchanged." : "No faults. The proxy is disabled and accepts no connections.";
    this.table.hidden = proxy.faults.length === 0;
    fill(this.table, proxy.faults, ({ name }) => name, (fault, row) => [
      fault.name, unbroken(fault.description), actsOn(fault, this.changes.types), percent(fault.toxicity), chipIn(row, fault, state.uptime_ms), whole(fault.applied),
      row.cells[6]?.firstChild ?? this.controls(fault.name),
    ]);
    for (const row of this.table.tBodies[0].rows) {
      const box = row.querySelector("input");
      if (!box.disabled) box.checked = proxy.faults.find(({ name }) => name === row.dataset.key).enabled;
    }
    this.keepProblems();
    this.timeline(proxy.faults.filter(isScheduled), state);
  }

  // The problem of a row that is gone moves to the place of the list.
  keepProblems() {
    for (const [name, { root, problem }] of this.ofRows) {
      if (root.isConnected) continue;
      this.ofRows.delete(name);
      if (problem) this.messages.warn(`${name}: ${problem}`, name);
    }
  }

  // Another proxy is shown.
  clear() {
    for (const messages of [this.messages, ...this.ofRows.values()]) messages.clear();
  }

  controls(name) {
    const box = element("input", { type: "checkbox", className: "switch", role: "switch", aria: { label: `${name} on` } });
    const edit = element("button", { type: "button", textContent: "Change", aria: { label: `Change ${name}` } });
    const remove = element("button", { type: "button", textContent: "Remove", aria: { label: `Remove ${name}` } });
    box.addEventListener("change", () => this.toggle(name, box));
    edit.addEventListener("click", () => this.open(this.proxy.faults.find((fault) => fault.name === name)));
    remove.addEventListener("click", () => this.remove(name));
    const messages = new Messages();
    this.ofRows.set(name, messages);
    return element("div", {}, element("div", { className: "controls" }, box, edit, remove, messages.done), messages.root);
  }

  open(fault) {
    const { proxy, change } = this;
    return openFaultDialog({ proxy, fault, change, messages: fault ? this.ofRows.get(fault.name) : this.messages });
  }

  path(name) {
    return `/proxies/${encodeURIComponent(this.proxy.name)}/toxics/${encodeURIComponent(name)}`;
  }

  async toggle(name, box) {
    box.disabled = true;
    const { problem } = await this.change("POST", this.path(name), { enabled: box.checked });
    box.disabled = false;
    box.focus();
    if (problem) {
      box.checked = !box.checked;
      return this.ofRows.get(name)?.warn(problem, name);
    }
    this.show(this.proxy.faults.map((fault) => (fault.name === name ? { ...fault, enabled: box.checked } : fault)));
    this.ofRows.get(name)?.notify(`Switched ${box.checked ? "on" : "off"}.`);
  }

  async remove(name) {
    const { problem } = await this.change("DELETE", this.path(name));
    if (problem) return this.ofRows.get(name)?.warn(problem, name);
    this.show(this.proxy.faults.filter((fault) => fault.name !== name));
    this.section.querySelector("header button").focus();
    this.messages.notify(`${name} is removed.`, name);
  }

  // Shows a change at once, instead of with the next state.
  show(faults) {
    this.proxy.faults = faults;
    this.update(this.proxy, this.state);
  }

  timeline(scheduled, state) {
    this.schedule.hidden = scheduled.length === 0;
    const ends = scheduled.flatMap(({ windows }) => windows.flat()).filter((end) => end !== null);
    const end = state.duration_ms ?? Math.max(state.uptime_ms, ...ends, 1) * 1.1;
    const share = (time) => `${Math.min(100, (time / end) * 100)}%`;
    this.bars.replaceChildren(...scheduled.map(({ name, windows }) => {
      const told = windows.map(([start, stop]) => `${age(start)} to ${stop === null ? "the end" : age(stop)}`).join(", ") || "never";
      const track = element("span", { className: "track", role: "img", aria: { label: `${name} is on from ${told}; now it is ${age(state.uptime_ms)}` } });
      for (const [start, stop] of windows) {
        const window = element("span", { className: "window" });
        window.style.left = share(start);
        window.style.right = `calc(100% - ${share(stop ?? end)})`;
        track.append(window);
      }
      const now = element("span", { className: "now" });
      now.style.left = share(state.uptime_ms);
      track.append(now);
      return element("div", { className: "line" }, element("span", { textContent: name }), track, element("span", { className: "when", textContent: told }));
    }), element("div", { className: "line scale" }, element("span"), element("span", { className: "ends" },
      element("span", { textContent: "0:00" }), element("span", { textContent: age(end) })), element("span")));
  }
}

// The chip in a row: a new one if its text changes.
function chipIn(row, fault, uptime) {
  const there = row.cells[4]?.firstChild;
  const [state, text] = [stateOf(fault), inWords(fault, uptime)];
  return there?.className === `chip ${state}` && there.textContent === text ? there : chip(state, element("span", { className: "text", textContent: text }));
}
