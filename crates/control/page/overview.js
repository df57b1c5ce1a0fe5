// All proxies: one row for each.

import { element } from "./elements.js";
import { STATES, byState, chip, faultChip, labelsOf, stateOf } from "./fault-states.js";
import { NONE, ago, millis, naturally, rate, whole, withoutErrno } from "./format.js";
import { Sparkline } from "./sparkline.js";

// Chips in a row of the table; further faults are counted. The blocks of a narrow window have all of them.
const MAX_CHIPS = 3;

const MINUTE = "Bytes per second in both directions. Each row has its own scale. A red tick marks a second with failed sessions.";

// Class, heading and description. Cells with two headings have two lines.
const COLUMNS = [
  ["proxy", "Proxy"], ["state", "State"], ["faults", "Faults"], ["open", "Open", "Open sessions"], ["total", "Total", "Sessions since the start of the run"],
  ["failed", "Failed", "Sessions that failed, with the last reason"], ["rate", ["Request rate", "Response rate"], "Bytes per second to the upstream, and to clients, over 5 s"],
  ["delay", ["Added latency", "p50 / p99"], "Quantiles over 5 s"], ["minute", ["Throughput,", "last minute"], MINUTE],
];

const line = (label) => element("span", { className: "value", data: { label } });

export class Overview {
  constructor(root, change) {
    Object.assign(this, { root, change, rows: new Map(), state: null, isInterrupted: true });
    this.filter = element("input", { type: "search", id: "filter", placeholder: "Filter by name, address or fault", autocomplete: "off", aria: { label: "Filter proxies", keyshortcuts: "/" } });
    this.filter.addEventListener("input", () => this.arrange());
    this.summary = element("p", { className: "summary", role: "status" });
    const legend = element("p", { className: "legend", aria: { label: "Chips of faults" } , role: "group" },
      ...Object.entries(STATES).map(([state, text]) => chip(state, element("span", { className: "text", textContent: text }))));
    const heads = COLUMNS.map(([name, texts, title]) => element("th", { scope: "col", className: name, title: title ?? "", role: "columnheader" },
      ...[texts].flat().flatMap((text, index) => (index ? [element("br"), text] : [text]))));
    this.body = element("tbody", { role: "rowgroup" });
    this.table = element("table", { role: "table", className: "overview", aria: { labelledby: "overview-title" } },
      element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)), this.body);
    this.none = element("p", { className: "none", textContent: "No proxy matches the filter.", hidden: true });
    root.append(element("h2", { id: "overview-title", className: "unseen", textContent: "Proxies" }),
      element("div", { className: "tools" }, this.filter, this.summary, legend), this.table, this.none,
      element("p", { className: "keys" }, "Keys: ", element("kbd", { textContent: "/" }), " filter, ", element("kbd", { textContent: "↑" }), " ",
        element("kbd", { textContent: "↓" }), " select, ", element("kbd", { textContent: "Enter" }), " open, ", element("kbd", { textContent: "Esc" }), " back"));
  }

  // The connection was lost: the history of the server fills the gap.
  interrupt() {
    this.isInterrupted = true;
  }

  update(state) {
    const isNew = state !== this.state;
    this.state = state;
    const names = new Set(state.proxies.map(({ name }) => name));
    for (const [name, row] of this.rows) if (!names.has(name)) this.remove(name, row);
    for (const proxy of state.proxies) {
      if (!this.rows.has(proxy.name)) {
        this.rows.set(proxy.name, new Row(proxy.name));
        this.isInterrupted = true; // its history may have begun
      }
      if (isNew) this.rows.get(proxy.name).update(proxy, state);
    }
    this.arrange();
    if (this.isInterrupted) this.load();
  }

  // The focus goes from a row that is gone to the next one.
  remove(name, { root }) {
    if (root.contains(document.activeElement)) (root.nextElementSibling ?? root.previousElementSibling)?.querySelector("a").focus();
    root.remove();
    this.rows.delete(name);
  }

  async load() {
    this.isInterrupted = false;
    const { answer } = await this.change("GET", "/history");
    for (const { name, samples } of answer?.proxies ?? []) this.rows.get(name)?.load(samples);
  }

  // Orders the rows, and hides those that do not match the filter.
  arrange() {
    const { proxies } = this.state;
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...this.rows.values()].sort((one, other) => naturally(one.name, other.name));
    rows.forEach((row, place) => {
      if (this.body.rows[place] !== row.root) this.body.insertBefore(row.root, this.body.rows[place] ?? null);
      row.root.hidden = !words.every((word) => row.text.includes(word));
    });
    const shown = rows.filter(({ root }) => !root.hidden).length;
    this.none.hidden = shown > 0;
    this.table.hidden = shown === 0;
    const failing = proxies.filter(({ sessions_failed }) => sessions_failed > 0).length;
    const on = proxies.flatMap(({ faults }) => faults).filter((fault) => ["on", "idle"].includes(stateOf(fault))).length;
    const told = [words.length ? `${shown} of ${proxies.length} proxies` : count(proxies.length, "proxy", "proxies"), `${count(on, "fault")} on`];
    if (failing) told.push(`${count(failing, "proxy", "proxies")} with failed sessions`);
    if (this.summary.textContent !== told.join(" · ")) this.summary.textContent = told.join(" · ");
  }

  focus(name) {
    this.rows.get(name)?.link.focus();
  }

  onKey(event) {
    const isInField = event.target.matches("input, select, textarea");
    const links = [...this.rows.values()].filter(({ root }) => !root.hidden).sort((one, other) => naturally(one.name, other.name)).map(({ link }) => link);
    const at = links.indexOf(document.activeElement);
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (event.key === "/" && !isInField) {
      this.filter.focus();
    } else if (event.key === "Escape" && event.target === this.filter) {
      this.filter.value = "";
      this.arrange();
    } else if (event.key === "Enter" && event.target === this.filter) {
      links[0]?.click();
    } else if (step && (!isInField || (event.target === this.filter && event.key === "ArrowDown")) && this.isIn(event.target)) {
      links[Math.max(0, Math.min(links.length - 1, at + step))]?.focus();
    } else {
      return;
    }
    event.preventDefault();
  }

  // Arrows scroll the page unless the table or nothing has the focus.
  isIn(target) {
    return target === document.body || target === this.filter || this.table.contains(target);
  }
}

const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

class Row {
  constructor(name) {
    this.name = name;
    this.sparkline = new Sparkline();
    this.link = element("a", { href: `#/proxy/${encodeURIComponent(name)}`, textContent: name, title: name });
    this.route = element("span", { className: "route" });
    this.cells = Object.fromEntries(COLUMNS.map(([column, label]) => [column, element(column === "proxy" ? "th" : "td", {
      className: column, role: column === "proxy" ? "rowheader" : "cell", data: { label: [label].flat().join(" ") },
    })]));
    this.values = { requests: line("Request rate"), responses: line("Response rate"), p50: line(""), p99: line("") };
    this.cells.proxy.scope = "row";
    this.cells.proxy.append(this.link, this.route);
    this.cells.rate.append(this.values.requests, " ", this.values.responses);
    this.cells.delay.append(this.values.p50, " ", this.values.p99);
    this.cells.minute.title = MINUTE;
    this.cells.minute.append(this.sparkline.picture);
    this.root = element("tr", { role: "row" }, ...Object.values(this.cells));
    this.root.addEventListener("click", (event) => { if (!event.target.closest("a") && !String(getSelection())) this.link.click(); });
  }

  update(proxy, state) {
    const { cells, values, before } = this;
    this.text = [proxy.name, proxy.listen, proxy.upstream, proxy.enabled ? "enabled" : "disabled", ...proxy.faults.flatMap(({ name, type }) => [name, type])].join(" ").toLowerCase();
    set(this.route, `${proxy.listen} → ${proxy.upstream}`);
    this.route.title = this.route.textContent;
    this.root.classList.toggle("disabled", !proxy.enabled);
    set(cells.state, proxy.enabled ? "enabled" : "disabled");
    set(cells.open, whole(proxy.sessions_active));
    set(cells.total, whole(proxy.sessions_total));
    this.failures(proxy, state);
    const { bytes_per_second_to_upstream: requests, bytes_per_second_to_client: responses, latency_ms } = proxy.recent;
    for (const [value, text, isZero] of [
      [values.requests, rate(requests), !requests], [values.responses, rate(responses), !responses],
      [values.p50, latency_ms ? millis(latency_ms.p50) : NONE, !latency_ms], [values.p99, latency_ms ? millis(latency_ms.p99) : NONE, !latency_ms],
    ]) {
      set(value, text);
      value.classList.toggle("zero", isZero);
    }
    this.chips(proxy.faults, state.uptime_ms);
    if (before) {
      const moved = (of) => of.bytes_to_upstream + of.bytes_to_client;
      this.sparkline.push(Math.max(0, moved(proxy) - moved(before)), Math.max(0, proxy.sessions_failed - before.sessions_failed));
    }
    this.sparkline.draw();
    this.before = proxy;
  }

  // Takes the samples of the server's history.
  load(samples) {
    this.sparkline.load(samples, this.before.sessions_failed);
  }

  failures({ sessions_failed, last_failure }, { uptime_ms }) {
    const cell = this.cells.failed;
    const [reason, when] = last_failure ? [last_failure.reason.replaceAll("_", " "), ago(uptime_ms - last_failure.at_ms)] : [];
    const key = `${sessions_failed} ${reason} ${when}`;
    if (cell.dataset.key === key) return;
    cell.dataset.key = key;
    cell.title = withoutErrno(last_failure?.message ?? "");
    cell.classList.toggle("zero", sessions_failed === 0);
    cell.replaceChildren(element("b", { textContent: whole(sessions_failed) }),
      ...(reason && sessions_failed ? [element("small", {}, `${reason}, `, element("span", { textContent: when }))] : []));
  }

  chips(faults, uptime) {
    const key = faults.map((fault) => `${fault.name} ${stateOf(fault)}`).join();
    if (this.cells.faults.dataset.key === key) return;
    this.cells.faults.dataset.key = key;
    const sorted = [...faults].sort(byState);
    const rest = sorted.length > MAX_CHIPS + 1 ? sorted.slice(MAX_CHIPS) : [];
    const labels = labelsOf(faults);
    const chips = sorted.map((fault) => faultChip(fault, uptime, labels.get(fault)));
    for (const each of chips.slice(sorted.length - rest.length)) each.classList.add("further");
    this.cells.faults.replaceChildren(...chips, ...(rest.length ? [element("span", { className: "more", textContent: `+${rest.length}`, title: rest.map(({ name }) => name).join(", ") })] : []));
  }
}

function set(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}
