// The tables of a proxy: requests, fault accuracy, sessions and changes.

import { author } from "./changes.js";
import { element } from "./elements.js";
import { NONE, age, bytes, clock, measured, quantiles, rate, unbroken, whole } from "./format.js";
import { Folded, number } from "./tables.js";

class Section {
  constructor(title, columns, none) {
    this.title = element("h3", { textContent: title });
    this.note = element("p", { className: "note", hidden: true });
    this.rows = new Folded(title, columns);
    this.none = element("p", { className: "none", textContent: none });
    this.section = element("section", { className: "panel" }, this.title, this.note, this.none, this.rows.root);
  }

  fill(items, keyOf, cellsOf, note = "") {
    this.none.hidden = items.length > 0;
    this.rows.root.hidden = items.length === 0;
    this.note.hidden = note === "";
    if (this.note.textContent !== note) this.note.textContent = note;
    this.rows.fill(items, keyOf, cellsOf);
  }
}

export class Requests extends Section {
  constructor() {
    super("Requests", [["Kind", "name"], number("Requests"), number("Forwarded"), number("Responses"), number("Delivered"), number("Unconfirmed"), number("Injected"), number("Duration p50 / p99")], "");
  }

  update({ requests, sessions_opaque }) {
    this.section.hidden = requests.length === 0 && sessions_opaque === 0;
    const unconfirmed = requests.reduce((sum, of) => sum + of.unconfirmed, 0);
    const note = [`${whole(unconfirmed)} ${unconfirmed === 1 ? "request was" : "requests were"} executed without a response to the client.`,
      sessions_opaque ? `The requests of ${whole(sessions_opaque)} sessions could not be read to their end.` : ""].join(" ").trim();
    this.fill(requests, ({ kind }) => kind, (of, row) => {
      row.classList.toggle("unconfirmed", of.unconfirmed > 0);
      return [of.kind, ...[of.requests, of.forwarded, of.answered, of.delivered, of.unconfirmed, of.injected].map(whole), quantiles(of.duration_ms)];
    }, note);
  }
}

export class Accuracy extends Section {
  constructor() {
    super("Fault accuracy", [["Fault", "name"], number("Sessions"), number("Times acted"), number("Requested p50 / p99"), number("Measured p50 / p99"), number("Error p50 / p99"), number("Rate"), number("Loss"), number("Segments")], "");
  }

  update({ faults }) {
    this.section.hidden = faults.length === 0;
    this.fill(faults, ({ name }) => name, (of) => [
      of.name, whole(of.sessions), whole(of.applied), quantiles(of.asked_ms), quantiles(of.held_ms), quantiles(of.late_ms), rate(of.bytes_per_second),
      measured(of.loss_share), of.loss_share === null ? NONE : whole(of.segments),
    ], "Measured times include waiting for earlier data. The error is the time from when data was due until its release.");
  }
}

export class Sessions extends Section {
  constructor() {
    super("Open sessions", ["Session", "Client", "Upstream", number("Age"), number("Request bytes"), number("Response bytes")], "No open sessions.");
  }

  update({ sessions, sessions_active }) {
    this.fill(sessions, ({ id }) => id, (of) => [
      of.id, of.client, of.upstream ?? "connecting", age(of.age_ms), bytes(of.bytes_to_upstream), bytes(of.bytes_to_client),
    ], sessions.length < sessions_active ? `${sessions.length} of ${whole(sessions_active)} are listed.` : "");
  }
}

export class ProxyChanges extends Section {
  constructor() {
    super("Recent changes", ["No.", "At", ["Change", "wide"], ["By", "wide"]], "No changes through the control API.");
    this.rows.table.classList.add("compact");
  }

  update(changes, inWords) {
    this.fill([...changes].reverse().slice(0, 50), ({ number }) => number, (of) => [`#${of.number}`, clock(of.unix_ms), unbroken(inWords(of)), author(of)]);
  }
}
