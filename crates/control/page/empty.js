// The first commands, for a server without proxies.

import { element } from "./elements.js";

const DEFAULT_HOST = "127.0.0.1:8474";
const PROXY = { name: "cache", listen: "127.0.0.1:26379", upstream: "127.0.0.1:6379" };

function commands(hasToken) {
  const { name, listen, upstream } = PROXY;
  const addr = location.host === DEFAULT_HOST ? [] : [`--addr ${location.host}`];
  const token = hasToken ? ['-H "Authorization: Bearer $FAULT_CONTROL_TOKEN"'] : [];
  const lines = (...parts) => parts.join(" \\\n  ");
  return [
    ["On the command line", lines(`fault-proxy ctl create ${name}`, `--listen ${listen}`, `--upstream ${upstream}`, ...addr)],
    ["With curl", lines(`curl ${location.origin}/proxies`, ...token, `-d '${JSON.stringify(PROXY).replaceAll(",", ", ")}'`)],
  ];
}

// Shows each command with a button that copies it, once.
export function showCommands(place, hasToken) {
  if (place.childElementCount) return;
  for (const [label, text] of commands(hasToken)) {
    const copy = element("button", { type: "button", textContent: "Copy", aria: { label: `Copy the command ${label.toLowerCase()}` } });
    copy.addEventListener("click", async () => {
      copy.textContent = await navigator.clipboard.writeText(text).then(() => "Copied", () => "Select it and copy");
      setTimeout(() => { copy.textContent = "Copy"; }, 3000);
    });
    place.append(element("h3", { textContent: label }), element("div", { className: "command" },
      element("code", { textContent: text }), copy));
  }
}
