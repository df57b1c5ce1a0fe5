// One proxy on the page.

import { Chart, age, bytes, millis } from "./charts.js";
import { openFaultDialog } from "./dialog.js";

const ACTS_ON = { upstream: "requests", downstream: "responses" };
const rate = (value) => (value === null ? "–" : `${bytes(value)}/s`);

export class Proxy {
  // `change` sends a request that changes something and returns its problem, if there is one.
  constructor(name, change, say) {
    Object.assign(this, { name, change, say, before: null });
    this.section = document.getElementById("proxy").content.firstElementChild.cloneNode(true);
    const one = (selector) => this.section.querySelector(selector);
    this.one = one;
    const heading = one("h2");
    heading.textContent = name;
    heading.id = `proxy-${encodeURIComponent(name)}`;
    this.section.setAttribute("aria-labelledby", heading.id);
    one(".delete").setAttribute("aria-label", `Delete ${name}`);
    one(".enabled").setAttribute("aria-label", `${name} enabled`);
    this.throughput = new Chart(one(".throughput"), "Throughput", rate);
    this.latency = new Chart(one(".latency"), "Added latency", millis);
    one(".add").addEventListener("click", () => this.dialog());
    one(".enabled").addEventListener("change", (event) => this.enable(event.target));
    one(".delete").addEventListener("click", () => this.remove());
    one(".faults tbody").addEventListener("click", (event) => this.clicked(event));
  }

  get path() {
    return `/proxies/${encodeURIComponent(this.name)}`;
  }

  // Adds a fault, or changes one.
  dialog(fault) {
    return openFaultDialog({ proxy: this.before, fault, change: this.change, notify: this.say });
  }

  update(proxy, state, elapsed) {
    const { one, before } = this;
    one(".listen").textContent = proxy.listen;
    one(".upstream").textContent = proxy.upstream;
    if (document.activeElement !== one(".enabled")) one(".enabled").checked = proxy.enabled;
    if (before) {
      const delta = (field) => Math.max(0, proxy[field] - before[field]);
      const per = (field) => delta(field) / elapsed;
      const added = (time, moved) => (delta(moved) > 0 ? delta(time) / delta(moved) : null);
      const rates = [per("bytes_to_upstream"), per("bytes_to_client")];
      const delays = [added("byte_ms_to_upstream", "bytes_to_upstream"), added("byte_ms_to_client", "bytes_to_client")];
      this.throughput.push(...rates);
      this.latency.push(...delays);
      ["up", "down"].forEach((way, index) => {
        one(`.rate-${way}`).textContent = rate(rates[index]);
        one(`.latency-${way}`).textContent = millis(delays[index]);
      });
    }
    this.before = proxy;
    this.faults(proxy.faults);
    this.timeline(proxy.faults, state);
    one(".active").textContent = proxy.sessions_active;
    one(".total").textContent = proxy.sessions_total;
    one(".requests").hidden = proxy.requests.length === 0 && proxy.sessions_opaque === 0;
    one(".unconfirmed").textContent = proxy.requests.reduce((sum, { unconfirmed }) => sum + unconfirmed, 0);
    one(".opaque").textContent = proxy.sessions_opaque;
    rows(one(".requests tbody"), proxy.requests, (of) => of.kind, (of) => [
      of.kind, of.requests, of.forwarded, of.answered, of.delivered, of.unconfirmed, of.injected,
      of.duration_ms ? `${millis(of.duration_ms.p50)} / ${millis(of.duration_ms.p99)}` : "–",
    ]);
    rows(one(".sessions tbody"), proxy.sessions, (session) => session.id, (session) => [
      session.id, session.client, session.upstream ?? "–", age(session.age_ms),
      bytes(session.bytes_to_upstream), bytes(session.bytes_to_client),
    ]);
    const both = (times) => (times ? `${millis(times.p50)} / ${millis(times.p99)}` : "–");
    rows(one(".fidelity tbody"), proxy.faults, (fault) => fault.name, (fault) => [
      fault.name, fault.sessions, fault.applied, both(fault.asked_ms), both(fault.held_ms), both(fault.late_ms),
      rate(fault.bytes_per_second),
      fault.loss_share === null ? "–" : `${(fault.loss_share * 100).toFixed(2)} % of ${fault.segments}`,
    ]);
  }

  faults(faults) {
    const acts = (fault) => (fault.attributes.direction === "both" ? "both" : ACTS_ON[fault.stream.toLowerCase()]);
    rows(this.one(".faults tbody"), faults, (fault) => fault.name, (fault) => [
      fault.name, fault.description, acts(fault), `${+(fault.toxicity * 100).toFixed(2)} %`, fault.on ? "on" : "off",
    ], (row, fault) => {
      row.cells[4].className = fault.on ? "on" : "off";
      if (row.cells[5]) return;
      const cell = row.insertCell();
      for (const [action, label] of [["change", "Change"], ["remove", "Remove"]]) {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
        button.dataset.action = action;
        button.setAttribute("aria-label", `${label} ${fault.name}`);
        cell.append(button, " ");
      }
    });
    if (faults.length === 0 && !this.one(".faults .none")) {
      const row = this.one(".faults tbody").insertRow();
      row.className = "none";
      Object.assign(row.insertCell(), { colSpan: 6, textContent: "none: bytes pass as they are" });
    }
  }

  timeline(faults, state) {
    const scheduled = faults.filter(({ windows }) => !(windows.length === 1 && windows[0][0] === 0 && windows[0][1] === null));
    this.one(".timeline").hidden = scheduled.length === 0;
    const ends = scheduled.flatMap(({ windows }) => windows.flat()).filter((end) => end !== null);
    const whole = state.duration_ms ?? Math.max(state.uptime_ms, ...ends, 1) * 1.1;
    const share = (time) => `${Math.min(100, (time / whole) * 100)}%`;
    this.one(".bars").replaceChildren(...scheduled.map(({ name, windows }) => {
      const bar = Object.assign(document.createElement("div"), { className: "bar" });
      const label = Object.assign(document.createElement("span"), { textContent: name });
      const track = Object.assign(document.createElement("span"), { className: "track" });
      track.setAttribute("role", "img");
      const told = windows.map(([start, end]) => `${age(start)} to ${end === null ? "the end" : age(end)}`);
      track.setAttribute("aria-label", `${name} is on from ${told.join(", ") || "never"}; now it is ${age(state.uptime_ms)}`);
      for (const [start, end] of windows) {
        const window = Object.assign(document.createElement("span"), { className: "window" });
        window.style.left = share(start);
        window.style.right = `calc(100% - ${share(end ?? whole)})`;
        track.append(window);
      }
      const now = Object.assign(document.createElement("span"), { className: "now" });
      now.style.left = share(state.uptime_ms);
      track.append(now);
      bar.append(label, track);
      return bar;
    }));
  }

  async clicked(event) {
    const { action } = event.target.dataset;
    const name = event.target.closest("tr")?.dataset.key;
    if (!action || name === undefined) return;
    if (action === "change") {
      return this.dialog(this.before.faults.find((fault) => fault.name === name));
    }
    const { problem } = await this.change("DELETE", `${this.path}/toxics/${encodeURIComponent(name)}`);
    this.say(problem ?? `${name} is removed`);
    this.one(".add").focus();
  }

  async enable(box) {
    const { problem } = await this.change("POST", this.path, { enabled: box.checked });
    this.say(problem ?? `${this.name} is ${box.checked ? "enabled" : "disabled"}`);
    if (problem) box.checked = !box.checked;
  }

  async remove() {
    if (!confirm(`Delete ${this.name}? The connections of its sessions are closed.`)) return;
    const { problem } = await this.change("DELETE", this.path);
    this.say(problem ?? `${this.name} is deleted`);
  }
}

// Makes the rows of a table those of `items`, in place: what has the focus keeps it.
function rows(body, items, keyOf, cellsOf, finish = () => {}) {
  const there = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const wanted = new Set(items.map((item) => String(keyOf(item))));
  for (const [key, row] of there) if (!wanted.has(key)) row.remove();
  for (const item of items) {
    const key = String(keyOf(item));
    let row = there.get(key);
    if (!row) {
      row = body.insertRow();
      row.dataset.key = key;
    }
    cellsOf(item).forEach((text, index) => {
      let cell = row.cells[index];
      if (!cell) {
        cell = index === 0 ? row.appendChild(Object.assign(document.createElement("th"), { scope: "row" })) : row.insertCell();
        if (index > 0) cell.className = "number";
      }
      if (cell.textContent !== String(text)) cell.textContent = text;
    });
    finish(row, item);
  }
}

