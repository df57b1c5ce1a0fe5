// The fields of a fault: those that most faults set first, the others behind "More".

import { element, newId } from "./elements.js";
import { NEW_TTL, SHARE, TTL, defaultOf, goesWith, hintsOf, isCommon, isRequired, labelOf, withParameter } from "./fault-types.js";
import { unbroken } from "./format.js";

const DIRECTIONS = { upstream: "requests", downstream: "responses", both: "both directions" };
const IN_WORDS = { ingress: "responses", egress: "requests", both: "both directions" };

const NAME = { name: "name", type: "text", choices: [], with: [], default: "its type and what it acts on", help: "Name of the fault, unique within its proxy" };

function control(attribute, value) {
  const { name, choices, type, default: usual } = attribute;
  if (name === "direction") {
    const [first, ...more] = usual.split(";");
    const options = Object.entries(DIRECTIONS).map(([way, label]) => new Option(label, way));
    return element("select", { name, value }, new Option(`default: ${[IN_WORDS[first], ...more].join(";").replaceAll("_", " ")}`, ""), ...options);
  }
  if (choices.length > 0) {
    // A fault of a file can have a value that the API does not offer.
    const all = value && !choices.includes(value) ? [...choices, value] : choices;
    const label = (choice) => (type === "switch" ? { true: "yes", false: "no" }[choice] ?? choice : choice);
    const options = all.map((choice) => new Option(label(choice), choice));
    const none = defaultOf(attribute) ?? (type === "switch" ? "no" : null);
    return element("select", { name }, new Option(none ? `default: ${none}` : "not set", ""), ...options);
  }
  return element("input", { name, placeholder: hintsOf(attribute).placeholder, autocomplete: "off", spellcheck: false });
}

export class FaultFields {
  constructor() {
    this.main = element("div", { className: "fields" });
    this.own = element("div", { className: "fields" });
    this.common = element("div", { className: "fields" });
    this.more = element("details", {}, element("summary", { textContent: "More" }), this.own, this.common);
    this.lines = new Map();
  }

  // Shows the attributes of a type. A fault that exists keeps its name.
  show(attributes, values, isNew) {
    this.attributes = attributes;
    this.lines.clear();
    const line = (attribute) => this.line(attribute, values[attribute.name] ?? "");
    const main = attributes.filter((attribute) => attribute.main);
    const rest = attributes.filter((attribute) => !attribute.main);
    this.main.replaceChildren(...[...main, isNew ? TTL : NEW_TTL].map(line));
    this.own.replaceChildren(...rest.filter((attribute) => !isCommon(attribute)).map(line));
    this.common.replaceChildren(...[SHARE, ...rest.filter(isCommon), ...(isNew ? [NAME] : [])].map(line));
    this.more.open = rest.some(({ name }) => values[name]) || (values.toxicity ?? "1") !== "1";
    this.update();
  }

  line(attribute, value) {
    const input = control(attribute, value);
    input.id = newId();
    input.value = value;
    const help = element("small", { id: newId(), textContent: helpOf(attribute) });
    const problem = element("small", { id: newId(), className: "problem" });
    input.setAttribute("aria-describedby", `${help.id} ${problem.id}`);
    const needed = element("span", { className: "needed", textContent: attribute.one_of?.length > 1 ? "one is required" : "required", ariaHidden: "true" });
    const label = element("label", { htmlFor: input.id }, labelOf(attribute.name), needed);
    const made = element("div", { className: "field", data: { name: attribute.name } }, label, input, help, problem);
    this.lines.set(attribute.name, { attribute, input, needed, problem, made });
    return made;
  }

  // Hides the fields that do not go with the values of the others, and signs those that are required.
  update() {
    const all = this.all();
    for (const { attribute, input, needed, made } of this.lines.values()) {
      made.hidden = !goesWith(attribute, this.attributes, all);
      needed.hidden = !isRequired(attribute, this.attributes, all);
      input.required = !needed.hidden && attribute.one_of.length === 1;
    }
  }

  all() {
    return Object.fromEntries([...this.lines].map(([name, { input }]) => [name, input.value.trim()]));
  }

  // Marks the field that a problem is about. Returns false if there is no such field.
  mark(name, text) {
    const line = this.lines.get(name);
    if (!line || line.made.hidden) return false;
    line.input.setAttribute("aria-invalid", "true");
    // A problem of a schedule shows the place in a second line.
    line.problem.classList.toggle("lines", text.includes("\n"));
    line.problem.textContent = withLabel(name, text);
    if (this.more.contains(line.input)) this.more.open = true;
    line.input.focus();
    return true;
  }

  // The text of the problem at a field, if it is marked.
  textOf(name) {
    return this.lines.get(name)?.problem.textContent || undefined;
  }

  unmark() {
    for (const { input, problem } of this.lines.values()) {
      input.removeAttribute("aria-invalid");
      problem.textContent = "";
    }
  }

  focus() {
    this.main.querySelector(".field:not([hidden]) :is(input, select)")?.focus();
  }
}

// A problem as a sentence.
export const withLabel = (name, text) => (/^(is|or|needs|does|must) /.test(text) ? `${labelOf(name)} ${text}` : text);

function helpOf(attribute) {
  const { name, choices } = attribute;
  if (name === "direction") return withParameter(name, "Data that the fault acts on");
  return withParameter(name, unbroken(choices.length > 0 ? attribute.help : hintsOf(attribute).help));
}
