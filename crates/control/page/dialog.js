// The dialog that adds a fault to a proxy, or changes one.

import { element, newId } from "./elements.js";
import { FaultFields, withLabel } from "./fault-fields.js";
import { Preview } from "./fault-preview.js";
import {
  TTL, attributesFor, changeOf, changedFault, fieldOfProblem, has, hintsOf, isToxic, labelOf, missingIn, newFault, problemOfShare, toxicAttributes, typeNamed, typesFor, valueFor,
  valuesOf, withParameter, worded,
} from "./fault-types.js";
import { unbroken } from "./format.js";
import { PRESETS } from "./presets.js";
import { ctlAdd, ctlUpdate, curlAdd, curlUpdate, pathOf, toml } from "./preview.js";
import { readable } from "./units.js";

document.head.append(element("link", { rel: "stylesheet", href: "/dialog.css" }));

// The API has this text from Toxiproxy.
const EXISTS = "toxic already exists";

let types = null;

// Adds a fault to `proxy`, or changes `fault`; both are as `/events` has them. `change` sends a request and returns `{ answer }` or
// `{ problem }`, `messages` is a place for messages. The promise resolves when the dialog is closed.
export async function openFaultDialog({ proxy, fault, change, messages }) {
  if (types === null) {
    const { answer, problem } = await change("GET", "/fault-types");
    if (problem) {
      messages.warn(problem);
      return;
    }
    types = answer;
  }
  if (document.querySelector(".fault-dialog[open]")) return;
  const dialog = new FaultDialog(proxy, fault, change);
  document.body.append(dialog.root);
  dialog.root.showModal();
  dialog.focus();
  await new Promise((resolve) => dialog.root.addEventListener("close", resolve, { once: true }));
  dialog.root.remove();
  if (dialog.done) messages.notify(dialog.done, ...dialog.added);
}

class FaultDialog {
  constructor(proxy, fault, change) {
    Object.assign(this, { proxy, fault, change, preset: null, added: [], done: null });
    this.target = { host: location.host, proxy, hasToken: Boolean(sessionStorage.getItem("fault-proxy-token")) };
    this.form = element("form", { noValidate: true });
    this.fields = new FaultFields();
    this.preview = new Preview(this.target.hasToken);
    this.problem = element("p", { className: "problem", role: "alert" });
    const title = element("h2", { id: newId(), textContent: fault ? `Change ${fault.name}` : "Add a fault" });
    const where = element("p", { className: "where", textContent: `${proxy.name}: ${proxy.listen} → ${proxy.upstream}` });
    const close = element("button", { type: "button", className: "close", textContent: "×", aria: { label: "Close" } });
    this.cancel = element("button", { type: "button", textContent: "Cancel" });
    this.send = element("button", { type: "submit" });
    for (const button of [close, this.cancel]) button.addEventListener("click", () => this.root.close());
    this.form.append(
      element("header", {}, element("div", {}, title, where), close),
      element("div", { className: "body" }, element("div", { className: "choices" }, ...this.choices()), element("div", { className: "side" }, this.preview.section)),
      element("footer", {}, this.problem, this.cancel, this.send));
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    this.form.addEventListener("input", () => this.update());
    this.root = element("dialog", { className: `fault-dialog ${fault ? "changes" : "adds"}`, aria: { labelledby: title.id } }, this.form);
    this.begin();
  }

  choices() {
    this.single = element("div", { className: "single" }, ...(this.fault ? [] : [this.typeField()]), this.fields.main, this.fields.more);
    this.help = this.help ?? element("p", { className: "help" });
    if (this.fault) this.single.prepend(this.help);
    this.ofPreset = element("div", { className: "preset", hidden: true });
    return this.fault ? [this.single] : [this.presets(), this.single, this.ofPreset];
  }

  typeField() {
    const offered = typesFor(types, this.proxy.protocol);
    this.select = element("select", { id: newId() }, ...offered.map(({ type }) => new Option(type.replaceAll("_", " "), type)));
    this.help = element("small", { id: newId() });
    this.select.setAttribute("aria-describedby", this.help.id);
    this.select.addEventListener("change", () => this.begin());
    return element("div", { className: "field type" }, element("label", { htmlFor: this.select.id, textContent: "Type" }), this.select, this.help);
  }

  presets() {
    const choice = ({ id, label }) => {
      const input = element("input", { type: "radio", name: "preset", value: id, checked: id === "" });
      input.addEventListener("change", () => this.choose(PRESETS.find((preset) => preset.id === id) ?? null));
      return element("label", {}, input, element("span", { textContent: label }));
    };
    return element("fieldset", { className: "presets" }, element("legend", { textContent: "One fault, or a preset" }),
      ...[{ id: "", label: "One fault" }, ...PRESETS].map(choice));
  }

  // Shows the fields of the type that is chosen, or of the fault that exists.
  begin() {
    const name = this.fault?.type ?? this.select.value;
    this.type = typeNamed(types, name);
    const isNative = !this.fault || !isToxic(this.type, this.fault);
    this.attributes = isNative ? attributesFor(this.type, this.proxy.protocol, types) : toxicAttributes(this.fault);
    this.isNative = isNative;
    const of = this.fault ? `${name.replaceAll("_", " ")}: ` : "";
    this.help.textContent = isNative ? `${of}${unbroken(worded(this.type.help))}` : `${of}a toxic of Toxiproxy`;
    this.before = this.fault ? valuesOf(this.fault, this.attributes, isNative) : {};
    this.fields.show(this.attributes, this.before, !this.fault);
    this.update();
  }

  choose(preset) {
    this.preset = preset;
    this.added = [];
    this.single.hidden = preset !== null;
    this.ofPreset.hidden = preset === null;
    if (preset) this.showPreset(preset);
    this.update();
  }

  showPreset({ about, source, faults }) {
    const hints = hintsOf(TTL);
    this.ttl = element("input", { id: newId(), name: "preset-ttl", placeholder: hints.placeholder, autocomplete: "off" });
    const help = element("small", { id: newId(), textContent: withParameter("ttl", faults.length === 1 ? hints.help : hints.help.replace("the fault is", "the faults are")) });
    this.ttl.setAttribute("aria-describedby", help.id);
    const rows = faults.map(({ name, type, stream, attributes }) => element("tr", { data: { name } },
      element("th", { scope: "row", textContent: name }), element("td", { textContent: inWords(type, stream, attributes) })));
    const link = element("a", { href: source.url, target: "_blank", rel: "noreferrer", textContent: source.title });
    this.ofPreset.replaceChildren(
      element("p", { textContent: unbroken(about) }),
      element("p", { className: "source" }, "Source: ", link, `, ${source.date}`),
      element("table", {}, element("thead", {}, element("tr", {}, ...["Fault", "Parameters"].map((text) => element("th", { scope: "col", textContent: text })))),
        element("tbody", {}, ...rows)),
      element("div", { className: "fields" }, element("div", { className: "field" },
        element("label", { htmlFor: this.ttl.id, textContent: labelOf("ttl") }), this.ttl, help)));
  }

  // The faults to add, as requests. Those of a preset that was refused in the middle are there already.
  requests() {
    if (!this.preset) return [newFault(this.type, this.attributes, this.fields.all())];
    const ttl = this.ttl.value.trim();
    const faults = this.preset.faults.filter(({ name }) => !this.added.includes(name));
    return faults.map((fault) => (ttl ? { ...fault, ttl: valueFor(TTL, ttl, {}) } : fault));
  }

  // Highlights the button to press next, if there is one.
  highlight(button) {
    for (const each of [this.cancel, this.send]) each.classList.toggle("primary", each === button);
  }

  update() {
    this.highlight(this.send);
    if (!this.preset) this.fields.update();
    const missing = this.missing();
    if (missing) {
      this.preview.refuse(withLabel(missing.name, missing.text));
      this.send.textContent = this.fault ? "Change" : "Add fault";
      return;
    }
    const hasDirection = (name) => has(typeNamed(types, name), "direction");
    if (!this.fault) {
      const faults = this.requests();
      this.send.textContent = faults.length === 1 ? "Add fault" : `Add ${faults.length} faults`;
      const each = (show) => faults.map((body) => show(this.target, body)).join("\n");
      this.preview.show({ ctl: each(ctlAdd), curl: each(curlAdd), toml: toml(this.target, faults, hasDirection) });
      return;
    }
    this.send.textContent = "Change";
    const body = this.changes();
    const after = changedFault(this.fault, body);
    const isSame = Object.keys(body).length === 0;
    this.preview.show({
      ctl: isSame ? "# no change yet" : ctlUpdate(this.target, this.fault.name, body, after),
      curl: isSame ? "# no change yet" : curlUpdate(this.target, this.fault.name, body),
      toml: this.isNative ? toml(this.target, [after], hasDirection) : "# A file has no toxics of Toxiproxy.",
    });
  }

  // The field that is required and empty, or null.
  missing() {
    return this.preset ? null : missingIn(this.attributes, this.fields.all());
  }

  // The faults of the preset whose names the proxy had already when the dialog was opened. To add the others would leave a part of it.
  taken() {
    const names = this.preset ? this.requests().map(({ name }) => name) : [];
    return this.proxy.faults.map(({ name }) => name).filter((name) => names.includes(name));
  }

  changes() {
    return changeOf(this.isNative ? this.type : null, this.attributes, this.before, this.fields.all());
  }

  async submit() {
    this.fields.unmark();
    this.problem.textContent = "";
    const taken = this.taken();
    if (taken.length) {
      const [are, them] = taken.length === 1 ? ["A fault named", "it"] : ["Faults named", "them"];
      this.problem.textContent = `${are} ${listed(taken)} already exist${taken.length === 1 ? "s" : ""}. Close this dialog and remove ${them} first. Nothing was added.`;
      this.highlight(this.cancel);
      return;
    }
    const share = this.preset ? null : problemOfShare(this.fields.all().toxicity);
    const problem = this.missing() ?? (share ? { name: "toxicity", text: share } : null);
    if (problem) {
      this.fields.mark(problem.name, problem.text);
      return;
    }
    this.send.disabled = true;
    this.done = this.fault ? await this.save() : await this.add();
    this.send.disabled = false;
    if (this.done) this.root.close();
  }

  async save() {
    const { problem } = await this.change("PATCH", pathOf(this.proxy.name, this.fault.name), this.changes());
    return problem ? this.refuse(problem) : "Changed.";
  }

  async add() {
    for (const body of this.requests()) {
      const { problem, answer } = await this.change("POST", pathOf(this.proxy.name), body);
      if (problem) return this.preset ? this.refusePreset(body, problem) : this.refuse(problem);
      this.added.push(answer.name);
    }
    return `${this.added.join(", ")} ${this.added.length === 1 ? "is" : "are"} added.`;
  }

  refusePreset({ name }, problem) {
    const isThere = problem === EXISTS;
    const added = this.added.length ? ` ${listed(this.added)} ${this.added.length === 1 ? "is" : "are"} added.` : "";
    const toRemove = isThere ? [...this.added, name] : this.added;
    const way = toRemove.length ? ` Close this dialog, remove ${listed(toRemove)}, then add the preset again.` : "";
    this.problem.textContent = (isThere ? `A fault named ${name} already exists.` : `${name} was refused: ${problem}.`) + added + way;
    for (const row of this.ofPreset.querySelectorAll("tr[data-name]")) {
      const isAdded = this.added.includes(row.dataset.name);
      const isRefused = row.dataset.name === name;
      const text = isAdded ? "✓\u00a0added" : isThere ? "✗\u00a0already exists" : "✗\u00a0refused";
      row.className = isAdded ? "added" : isRefused ? "refused" : "";
      row.cells[0].replaceChildren(row.dataset.name, ...(isAdded || isRefused ? [" ", element("b", { textContent: text })] : []));
    }
    if (this.added.length) this.cancel.textContent = "Close";
    this.update();
    // To press the other button again would be refused again, unless something changes.
    this.highlight(way ? this.cancel : null);
    return null;
  }

  refuse(problem) {
    if (problem === EXISTS) {
      this.fields.mark("name", "A fault with this name already exists: use another name, or change that fault.");
      return null;
    }
    const names = [...this.fields.lines.keys()].sort((one, other) => other.length - one.length);
    const { name, text } = fieldOfProblem(problem, this.type?.type ?? this.fault.type, names);
    if (!name || !this.fields.mark(name, text)) this.problem.textContent = text;
    // A command for the same fault would be refused as well.
    const [first] = (this.fields.textOf(name) ?? text).split("\n");
    this.preview.refuse(!name || first.startsWith(labelOf(name)) ? first : `${labelOf(name)}: ${first}`);
    return null;
  }

  focus() {
    if (this.fault) this.fields.focus(); else this.select.focus();
  }
}

const listed = (names) => (names.length < 3 ? names.join(" and ") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

function inWords(type, stream, attributes) {
  const way = attributes.direction === "both" ? "both directions" : { upstream: "requests", downstream: "responses" }[stream];
  const own = Object.entries(attributes).filter(([name]) => name !== "direction").map(([name, value]) => `${name} ${readable(value)}`);
  return unbroken(`${type} of ${way}: ${own.join(", ")}`);
}
