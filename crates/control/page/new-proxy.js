// The dialog that creates a proxy.

import { element, newId } from "./elements.js";

const FIELDS = [
  { name: "name", label: "Name", value: "", help: "Free to choose, for example orders-db" },
  { name: "listen", label: "Listen on", value: "127.0.0.1:0", help: "Address for clients; port 0 takes a free one" },
  { name: "upstream", label: "Upstream", value: "", help: "The service: localhost:6379, psql://db:5432, https://web:8443" },
];

// The field that an error is about, or null.
function fieldOf(problem) {
  if (/already exists|\bname\b/.test(problem)) return "name";
  if (/upstream/.test(problem)) return "upstream";
  return /listen|bind|port/.test(problem) ? "listen" : null;
}

function field({ name, label, value, help }) {
  const input = element("input", { id: newId(), name, value, autocomplete: "off", spellcheck: false });
  const hint = element("small", { id: newId(), textContent: help });
  const problem = element("p", { id: newId(), className: "problem", role: "alert" });
  input.setAttribute("aria-describedby", `${hint.id} ${problem.id}`);
  const line = element("div", { className: "field" }, element("label", { htmlFor: input.id, textContent: label }), input, hint, problem);
  return { name, label, input, problem, line };
}

export function openProxyDialog({ change, onCreated }) {
  const heading = element("h2", { id: newId(), textContent: "New proxy" });
  const fields = FIELDS.map(field);
  const cancel = element("button", { type: "button", textContent: "Cancel" });
  const create = element("button", { className: "primary", textContent: "Create" });
  const problem = element("p", { className: "problem", role: "alert" });
  const form = element("form", { noValidate: true }, heading, ...fields.map(({ line }) => line), problem, element("div", { className: "buttons" }, cancel, create));
  const dialog = element("dialog", { className: "small-dialog", aria: { labelledby: heading.id } }, form);

  const mark = (at, text) => {
    at.problem.textContent = text;
    at.input.setAttribute("aria-invalid", "true");
    at.input.focus();
  };

  async function submit(event) {
    event.preventDefault();
    problem.textContent = "";
    for (const { input, problem } of fields) {
      input.removeAttribute("aria-invalid");
      problem.textContent = "";
    }
    const missing = fields.find(({ input }) => !input.value.trim());
    if (missing) return mark(missing, `${missing.label} is required.`);
    create.disabled = true;
    const sent = await change("POST", "/proxies", Object.fromEntries(fields.map(({ name, input }) => [name, input.value.trim()])));
    create.disabled = false;
    if (sent.problem) {
      const wrong = fields.find(({ name }) => name === fieldOf(sent.problem));
      // The API has this text from Toxiproxy.
      const text = sent.problem === "proxy already exists" ? "A proxy with this name already exists: use another name." : sent.problem;
      if (wrong) mark(wrong, text); else problem.textContent = text;
      return;
    }
    dialog.close();
    onCreated(sent.answer);
  }

  form.addEventListener("submit", submit);
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
