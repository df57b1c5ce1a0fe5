// Messages that are always in view and disappear, and questions before something is lost.

import { element, newId } from "./elements.js";

const [done, problems] = document.getElementById("messages").children;
const MESSAGE_MS = 6_000;
const PROBLEM_MS = 15_000;

function show(place, text, time) {
  const close = element("button", { type: "button", textContent: "×", aria: { label: "Close the message" } });
  const message = element("div", { className: "message" }, element("p", { textContent: text }), close);
  close.addEventListener("click", () => message.remove());
  place.append(message);
  setTimeout(() => message.remove(), time);
}

export const notify = (text) => show(done, text, MESSAGE_MS);
export const warn = (text) => show(problems, text, PROBLEM_MS);

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
