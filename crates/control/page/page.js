// Shows the state of the server: all proxies, or the one in the address.

import { Changes } from "./changes.js";
import { change as send, followForEver, hasToken, setToken } from "./connection.js";
import { Detail } from "./detail.js";
import { showCommands } from "./empty.js";
import { age, clock } from "./format.js";
import { Messages, confirmed } from "./messages.js";
import { openProxyDialog } from "./new-proxy.js";
import { Overview } from "./overview.js";

const by = (id) => document.getElementById(id);
// States with fewer changes are from before the latest change of this page, until a time.
const expected = { changes: 0, until: 0 };
const OLD_MS = 3000;
const overview = new Overview(by("overview"), change);
const changes = new Changes(by("changes"), change);
const detail = new Detail(by("detail"), { change, changes, onDeleted });
const [ofServer, ofList] = [new Messages(), new Messages()];
document.querySelector(".top").append(ofServer.root);
by("empty").before(ofList.root);
let latest = null;
let latest_at = 0;
let shown;
// A new proxy, until a state has it.
let created = null;

// Errors of the API in the words of Toxiproxy's, for someone who reads only this page.
const WORDS = { "toxic not found": "This fault was removed in the meantime.", "proxy not found": "This proxy was deleted in the meantime." };

async function change(method, ...request) {
  const before = Math.max(expected.changes, latest?.changes ?? 0);
  const sent = await send(method, ...request);
  if (sent.problem) sent.problem = WORDS[sent.problem] ?? sent.problem;
  if (method !== "GET" && sent.answer) {
    Object.assign(expected, { changes: before + 1, until: Date.now() + OLD_MS });
    listed(changes.load());
  }
  return sent;
}

// Shows new changes as soon as they are listed, because the next state can be a second away.
const listed = (reading) => reading.then((isNew) => { if (isNew) show(); });

// The name of the proxy in the address, or null.
function chosen() {
  const [, name] = /^#\/proxy\/(.+)$/.exec(location.hash) ?? [];
  try {
    return name === undefined ? null : decodeURIComponent(name);
  } catch {
    return name;
  }
}

function show() {
  if (!latest) return;
  const name = chosen();
  const isEmpty = name === null && latest.proxies.length === 0;
  by("empty").hidden = !isEmpty;
  by("overview").hidden = name !== null || isEmpty;
  by("detail").hidden = name === null;
  by("changes").hidden = name !== null || latest.changes === 0;
  listed(changes.update(latest.changes));
  if (isEmpty) showCommands(by("commands"), hasToken());
  overview.update(latest);
  if (name !== null) detail.update(name, latest, name === created?.name);
  document.title = name === null ? "fault-proxy" : `${name} · fault-proxy`;
  if (shown !== undefined && shown !== name) {
    scrollTo(0, 0);
    ofList.clear();
    if (name === null) overview.focus(shown); else detail.focus();
  }
  shown = name;
  if (name !== created?.name) created = null;
  if (created && detail.has(created.name)) {
    const { name: of_created, listen } = created;
    created = null;
    detail.focus();
    soon(() => detail.messages.notify(`${of_created} listens on ${listen}.`, of_created));
  }
}

// A message that appears together with its place would not be announced.
const soon = (tell) => setTimeout(tell, 100);

function onCreated(proxy) {
  created = proxy;
  location.hash = `#/proxy/${encodeURIComponent(proxy.name)}`;
}

function onDeleted(name) {
  location.hash = "#/";
  show();
  soon(() => ofList.notify(`${name} is deleted.`, name));
}

function connection(state, text) {
  document.body.dataset.state = state;
  for (const id of ["reset", "new-proxy"]) by(id).disabled = state !== "live";
  if (by("connection").textContent !== text) by("connection").textContent = text;
}

function onState(state) {
  // A switch would go back for a moment.
  if (state.changes < expected.changes && Date.now() < expected.until) return;
  [latest, latest_at] = [state, Date.now()];
  connection("live", "live");
  by("lost").hidden = true;
  by("version").textContent = state.version;
  by("uptime").textContent = `up ${age(state.uptime_ms)}${state.duration_ms ? ` of ${age(state.duration_ms)}` : ""}`;
  by("seed").textContent = `seed ${state.seed}`;
  show();
}

function onLost(problem) {
  connection("reconnecting", "reconnecting");
  const figures = latest ? ` The figures are those of ${clock(latest_at)}.` : "";
  const text = `No connection to the server${problem ? ` (${problem})` : ""}; trying again. Check that fault-proxy still runs.${figures}`;
  if (by("lost").textContent !== text) by("lost").textContent = text;
  by("lost").hidden = false;
  for (const part of [overview, detail, changes]) part.interrupt();
}

function askToken() {
  connection("token", "token required");
  by("lost").hidden = true;
  const [form, input, problem] = [by("token"), by("token-value"), by("token-problem")];
  const mark = (text) => {
    problem.textContent = text;
    input.toggleAttribute("aria-invalid", text !== "");
    input.focus();
  };
  form.hidden = false;
  mark(hasToken() ? "The server does not accept this token." : "");
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      if (!input.value) return mark("Enter the token.");
      setToken(input.value);
      input.value = "";
      form.hidden = true;
      resolve();
    };
  });
}

by("reset").addEventListener("click", async () => {
  if (!await confirmed("Reset all proxies?", "This removes all faults of all proxies and enables all proxies.", "Reset all")) return;
  const { problem } = await change("POST", "/reset");
  if (problem) ofServer.warn(problem); else ofServer.notify("All faults are removed, and all proxies are enabled.");
});

for (const id of ["new-proxy", "first-proxy"]) by(id).addEventListener("click", () => openProxyDialog({ change, onCreated }));

addEventListener("hashchange", show);

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && chosen() !== null) location.hash = "#/";
  else if (chosen() === null) overview.onKey(event);
});

followForEver({ onState, onLost, askToken });
