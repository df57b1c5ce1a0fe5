// The fault of the form as a command of ctl, a call of curl and a file, each with a button that copies it.

import { element, newId } from "./elements.js";

const COPIED = 2000;

export class Preview {
  constructor(hasToken) {
    this.panels = [["ctl", "ctl"], ["curl", "curl"], ["toml", "TOML"]].map(([key, label], index) => this.panel(key, label, index));
    const list = element("div", { role: "tablist", aria: { label: "Form of the fault" } }, ...this.panels.map(({ tab }) => tab));
    list.addEventListener("keydown", (event) => this.move(event));
    this.copy = element("button", { type: "button", textContent: "Copy" });
    this.copied = element("span", { className: "copied", role: "status" });
    this.copy.addEventListener("click", () => this.copyText());
    const heading = element("h3", { id: newId(), textContent: "As a command or file" });
    const token = element("p", { className: "note", hidden: !hasToken, textContent: "The commands read the token from the environment variable FAULT_CONTROL_TOKEN." });
    this.section = element("section", { className: "preview", aria: { labelledby: heading.id } },
      element("div", { className: "bar" }, heading, list), ...this.panels.map(({ text }) => text),
      element("div", { className: "bar" }, this.copy, this.copied), token);
    this.select(0, false);
  }

  panel(key, label, index) {
    const tab = element("button", { type: "button", id: newId(), textContent: label, role: "tab" });
    const text = element("pre", { id: newId(), tabIndex: 0, role: "tabpanel", data: { form: key }, aria: { labelledby: tab.id } });
    tab.setAttribute("aria-controls", text.id);
    tab.addEventListener("click", () => this.select(index, false));
    return { key, tab, text };
  }

  select(index, focus) {
    this.selected = index;
    this.panels.forEach(({ tab, text }, each) => {
      tab.setAttribute("aria-selected", String(each === index));
      tab.tabIndex = each === index ? 0 : -1;
      text.hidden = each !== index;
    });
    if (focus) this.panels[index].tab.focus();
  }

  move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.select((this.selected + step + this.panels.length) % this.panels.length, true);
  }

  // Nothing can be copied, because the fault would be refused.
  refuse(problem) {
    const text = `# Not a valid fault yet: ${problem}`;
    this.show({ ctl: text, curl: text, toml: text });
    this.copy.disabled = true;
  }

  // `texts` by form.
  show(texts) {
    this.copy.disabled = false;
    for (const { key, text } of this.panels) text.textContent = texts[key];
  }

  async copyText() {
    const { text } = this.panels[this.selected];
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      // Without TLS, browsers have a clipboard only on loopback.
      getSelection().selectAllChildren(text);
      document.execCommand("copy");
    }
    this.copied.textContent = "Copied";
    setTimeout(() => { this.copied.textContent = ""; }, COPIED);
  }
}
