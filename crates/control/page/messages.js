// Messages beside the controls that they are about, and questions before something is lost.

import { element, newId } from "./elements.js";
import { shortName, unbroken } from "./format.js";

const MESSAGE_MS = 6_000;

// A place for one message. It is in the flow, so that a message covers nothing. `done` can be moved to a place of its own,
// where it moves nothing. Its regions are there before the message, because
// screen readers announce only what changes in them.
export class Messages {
  constructor() {
    [this.done, this.problems] = [element("div", { role: "status" }), element("div", { role: "alert" })];
    this.root = element("div", { className: "messages" }, this.done, this.problems);
  }

  // Shows for a while that something is done. Long `names` in the text are shortened.
  notify(text, ...names) {
    this.show(this.done, element("div", { className: "message" }, content(text, names)));
    this.timer = setTimeout(() => this.leave(), MESSAGE_MS);
  }

  // Shows a problem until it is closed, or until the next message.
  warn(text, ...names) {
    const before = document.activeElement;
    const close = element("button", { type: "button", textContent: "×", aria: { label: "Close the message" } });
    close.addEventListener("click", () => { this.leave(); before?.focus(); });
    this.show(this.problems, element("div", { className: "message" }, content(text, names), close));
    this.problem = text;
  }

  show(region, message) {
    this.clear();
    region.append(message);
    this.root.classList.toggle("shown", this.root.contains(region));
  }

  clear() {
    clearTimeout(this.timer);
    this.problem = null;
    for (const region of [this.done, this.problems]) region.replaceChildren();
    this.root.classList.remove("shown");
    this.root.style.minHeight = "";
  }

  // Takes the message away. While the mouse is near, its space stays, so that no control moves under the pointer.
  leave() {
    const { height } = this.root.getBoundingClientRect();
    const isInFlow = this.root.classList.contains("shown");
    this.clear();
    if (!isInFlow) return;
    const near = this.root.closest("section, header");
    if (!near?.matches(":hover") || !matchMedia("(hover: hover)").matches) return;
    this.root.classList.add("shown");
    this.root.style.minHeight = `${height}px`;
    near.addEventListener("pointerleave", () => { if (!this.root.querySelector(".message")) this.clear(); }, { once: true });
  }
}

function content(text, names) {
  const shown = names.reduce((part, name) => part.replaceAll(name, () => shortName(name)), text);
  return element("p", { textContent: unbroken(shown), ...(shown === text ? {} : { title: text }) });
}

// Asks before `action`; the promise resolves to whether it was confirmed.
export function confirmed(title, text, action) {
  const heading = element("h2", { id: newId(), textContent: title });
  const cancel = element("button", { type: "button", textContent: "Cancel" });
  const confirm = element("button", { type: "button", className: "danger", textContent: action });
  const dialog = element("dialog", { className: "small-dialog", aria: { labelledby: heading.id } },
    heading, element("p", { textContent: text }), element("div", { className: "buttons" }, cancel, confirm));
  document.body.append(dialog);
  return new Promise((resolve) => {
    let answer = false;
    cancel.addEventListener("click", () => dialog.close());
    confirm.addEventListener("click", () => { answer = true; dialog.close(); });
    dialog.addEventListener("close", () => { dialog.remove(); resolve(answer); });
    dialog.showModal();
  });
}
