// One proxy.

import { author } from "./changes.js";
import { Chart } from "./charts.js";
import { element } from "./elements.js";
import { isScheduled } from "./fault-states.js";
import { Faults } from "./faults.js";
import { NONE, ago, bytes, millis, rate, unbroken, whole, withoutErrno } from "./format.js";
import { Messages, confirmed } from "./messages.js";
import { Accuracy, ProxyChanges, Requests, Sessions } from "./sections.js";

const MIN_SPAN_MS = 60_000;
const MAX_SPAN_MS = 600_000;

const TILES = [
  "Open sessions", "Total sessions", "Failed sessions", "Held data", "Request rate", "Response rate", "Added latency p50", "Added latency p99",
];

const ADVICE = { refused: " Check that the upstream runs and that its address is right." };

export class Detail {
  // `tools` are `{ change, changes, onDeleted }`.
  constructor(root, tools) {
    Object.assign(this, tools, { root, name: null, loading: null, messages: new Messages() });
    this.interrupt();
    this.title = element("h2", { id: "detail-title", tabIndex: -1 });
    this.route = element("p", { className: "route" });
    this.enabled = element("input", { type: "checkbox", className: "switch", role: "switch" });
    const remove = element("button", { type: "button", textContent: "Delete" });
    this.enabled.addEventListener("change", () => this.enable());
    remove.addEventListener("click", () => this.remove());
    this.failure = element("p", { className: "banner", hidden: true });
    this.tiles = Object.fromEntries(TILES.map((name) => [name, element("dd")]));
    this.charts = [
      new Chart("Throughput", "rate", [
        { name: "requests", className: "one", value: (of) => of.bytes_to_upstream }, { name: "responses", className: "two", value: (of) => of.bytes_to_client }]),
      new Chart("Added latency", "latency", [
        { name: "p50", className: "one", value: (of) => of.latency_p50_ms }, { name: "p99", className: "two", value: (of) => of.latency_p99_ms }]),
      new Chart("Sessions", "count", [
        { name: "open", className: "one", value: (of) => of.sessions_active }, { name: "failed", className: "failed", value: (of) => of.sessions_failed, isBar: true }]),
    ];
    this.faults = new Faults(tools);
    [this.requests, this.accuracy, this.sessions, this.latest] = this.sections = [new Requests(), new Accuracy(), new Sessions(), new ProxyChanges()];
    const charts = element("div", { className: "charts" }, ...this.charts.map(({ figure }) => figure));
    charts.addEventListener("pointermove", (event) => this.point(event));
    charts.addEventListener("pointerleave", () => this.charts.forEach((chart) => chart.point(null)));
    this.gone = element("p", { className: "none", textContent: "This proxy does not exist, or was deleted." });
    this.body = element("div", { className: "stack" },
      element("div", { className: "heading" }, this.title, this.route, element("label", { className: "enable" }, this.enabled, " Enabled"), remove, this.messages.root),
      this.failure, element("div", {}, element("dl", { className: "tiles" }, ...TILES.map((name) => element("div", {}, element("dt", { textContent: name }), this.tiles[name]))),
        element("p", { className: "note", textContent: unbroken("Rates and added latency are those of the last 5 s.") })),
      charts, this.faults.section, this.requests.section, this.accuracy.section, this.sessions.section, this.latest.section);
    root.append(element("p", { className: "back" }, element("a", { href: "#/", textContent: "← All proxies" })), this.gone, this.body);
  }

  // The next state reads the whole history.
  interrupt() {
    Object.assign(this, { at_ms: null, samples: [] });
  }

  get path() {
    return `/proxies/${encodeURIComponent(this.name)}`;
  }

  // Whether it shows this proxy.
  has(name) {
    return name === this.name && !this.body.hidden;
  }

  // A state may not have a proxy yet that `isNew`.
  update(name, state, isNew) {
    if (name !== this.name) {
      this.name = name;
      this.messages.clear();
      this.faults.clear();
      for (const { rows } of this.sections) rows.fold();
      this.interrupt();
      for (const chart of this.charts) chart.clear();
    }
    const proxy = state.proxies.find((of) => of.name === name);
    this.gone.hidden = Boolean(proxy) || isNew;
    this.body.hidden = !proxy;
    if (!proxy) return this.interrupt();
    this.proxy = proxy;
    set(this.title, name);
    set(this.route, `${proxy.listen} → ${proxy.upstream}`);
    if (!this.enabled.disabled) this.enabled.checked = proxy.enabled;
    this.failed(proxy, state.uptime_ms);
    const { latency_ms } = proxy.recent;
    Object.entries({
      "Open sessions": whole(proxy.sessions_active), "Total sessions": whole(proxy.sessions_total), "Failed sessions": whole(proxy.sessions_failed),
      "Request rate": rate(proxy.recent.bytes_per_second_to_upstream), "Response rate": rate(proxy.recent.bytes_per_second_to_client),
      "Added latency p50": latency_ms ? millis(latency_ms.p50) : NONE, "Added latency p99": latency_ms ? millis(latency_ms.p99) : NONE,
      "Held data": bytes(proxy.held_bytes),
    }).forEach(([tile, text]) => set(this.tiles[tile], text));
    this.tiles["Failed sessions"].classList.toggle("failed", proxy.sessions_failed > 0);
    this.faults.update(proxy, state);
    for (const section of [this.requests, this.accuracy, this.sessions]) section.update(proxy);
    this.latest.update(this.changes.of(name), (change) => this.changes.inWords(change));
    this.uptime_ms = state.uptime_ms;
    // The list of changes can arrive later than the samples.
    if (this.at_ms !== null && this.marked !== this.changes.all) this.draw();
    this.load(state);
  }

  failed({ sessions_failed, last_failure }, uptime) {
    this.failure.hidden = !last_failure;
    if (!last_failure) return;
    const { at_ms, reason, message } = last_failure;
    const count = `${whole(sessions_failed)} failed ${sessions_failed === 1 ? "session" : "sessions"}`;
    set(this.failure, unbroken(`${count}, the last ${ago(uptime - at_ms)}: ${withoutErrno(message)}.${ADVICE[reason] ?? ""}`));
  }

  // Reads the history once, and with each state the samples since.
  async load(state) {
    if (this.loading || this.isDeleting || state.uptime_ms === this.at_ms) return;
    const { samples: before } = this;
    const since = before.length ? `?since=${before.at(-1).at_ms}` : "";
    this.loading = this.change("GET", `${this.path}/history${since}`);
    const { answer } = await this.loading;
    this.loading = null;
    if (!answer || before !== this.samples) return;
    Object.assign(this, { at_ms: state.uptime_ms, start: Date.now() - state.uptime_ms });
    this.samples = [...before, ...answer.samples].filter(({ at_ms }) => at_ms > state.uptime_ms - MAX_SPAN_MS);
    this.draw();
  }

  draw() {
    const { start } = this;
    this.marked = this.changes.all;
    const samples = this.samples.map((sample) => ({ ...sample, at: start + sample.at_ms }));
    // The latest change, and the latest sample, can be newer than the latest state.
    const to = start + Math.max(this.uptime_ms, ...[this.changes.of(this.name), this.samples].map((all) => all.at(-1)?.at_ms ?? 0));
    const span = Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, to - (samples[0]?.at ?? to)));
    const view = { samples, from: to - span, to, marks: this.marks(start).filter(({ at }) => at >= to - span && at <= to) };
    for (const chart of this.charts) chart.show(view);
  }

  // The changes of the proxy, and the windows of schedules, on the charts.
  marks(start) {
    const changes = this.changes.of(this.name).map((change) => ({
      at: start + change.at_ms, number: change.number, className: "change", title: `#${change.number}: ${this.changes.inWords(change)}, by ${author(change)}` }));
    const windows = this.proxy.faults.filter(isScheduled).flatMap(({ name, windows }) => windows.flatMap(([on, off]) => [[on, "on"], [off, "off"]]
      .filter(([time]) => time !== null).map(([time, to]) => ({ at: start + time, className: "window", title: `${name} ${to}, by its schedule` }))));
    return [...changes, ...windows];
  }

  point(event) {
    const chart = this.charts.find(({ picture }) => picture.contains(event.target));
    const at = chart?.view ? chart.timeAt(event.clientX) : null;
    for (const each of this.charts) each.point(at);
  }

  focus() {
    this.title.focus();
  }

  async enable() {
    this.enabled.disabled = true;
    const { problem } = await this.change("POST", this.path, { enabled: this.enabled.checked });
    this.enabled.disabled = false;
    this.enabled.focus();
    if (problem) {
      this.enabled.checked = !this.enabled.checked;
      return this.messages.warn(problem, this.name);
    }
    this.proxy.enabled = this.enabled.checked;
    this.messages.notify(`${this.name} is ${this.enabled.checked ? "enabled" : "disabled"}.`, this.name);
  }

  async remove() {
    const { name, path } = this;
    if (!await confirmed(`Delete ${name}?`, "This closes the connections of its open sessions and removes its faults.", "Delete")) return;
    // No request for the history arrives when the proxy is gone.
    this.isDeleting = true;
    await this.loading;
    const { problem } = await this.change("DELETE", path);
    this.isDeleting = false;
    if (problem) return this.messages.warn(problem, name);
    this.onDeleted(name);
  }
}

function set(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
