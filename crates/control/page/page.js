// Follows the server's state and shows it; each proxy is shown by `proxy.js`.

import { Changes } from "./changes.js";
import { age } from "./charts.js";
import { Proxy } from "./proxy.js";

const TOKEN = "fault-proxy-token";
const by = (id) => document.getElementById(id);
const proxies = new Map();
let before = null;

function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  return { "X-Fault-Proxy-Page": "1", ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

const changes = new Changes(by("changes"), headers);

// Sends a request that changes something: the answer, or what is wrong.
async function change(method, path, body) {
  try {
    const response = await fetch(path, {
      method,
      headers: headers({ "Content-Type": "application/json" }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const answer = text ? JSON.parse(text) : {};
    return response.ok ? { answer } : { problem: answer.error ?? `the server answers ${response.status}` };
  } catch (error) {
    return { problem: `the server does not answer: ${error.message}` };
  }
}

function say(text) {
  by("said").textContent = text;
}

function show(state) {
  by("version").textContent = state.version;
  by("uptime").textContent = `up ${age(state.uptime_ms)}${state.duration_ms ? ` of ${age(state.duration_ms)}` : ""}`;
  by("seed").textContent = `seed ${state.seed}`;
  changes.update(state.changes);
  by("empty").hidden = state.proxies.length > 0;
  const elapsed = before ? Math.max(1, state.uptime_ms - before.uptime_ms) / 1000 : 1;
  before = state;
  const names = new Set(state.proxies.map(({ name }) => name));
  for (const [name, proxy] of proxies) {
    if (!names.has(name)) {
      proxy.section.remove();
      proxies.delete(name);
    }
  }
  for (const proxy of state.proxies) {
    let shown = proxies.get(proxy.name);
    if (!shown) {
      shown = new Proxy(proxy.name, change, say);
      proxies.set(proxy.name, shown);
      by("proxies").append(shown.section);
    }
    shown.update(proxy, state, elapsed);
  }
}

function connection(text, isLive) {
  if (by("connection").textContent !== text) by("connection").textContent = text;
  by("connection").classList.toggle("live", isLive);
}

// Reads server-sent events until the server ends them. Not an EventSource: that can send no headers.
async function follow() {
  const response = await fetch("/events", { headers: headers() });
  if (response.status === 401) return "token";
  if (!response.ok) throw new Error((await response.text()).trim());
  by("problem").textContent = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return "ended";
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (!data) continue;
      connection("live", true);
      show(JSON.parse(data));
    }
  }
}

async function followForEver() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 5000)) {
    try {
      const end = await follow();
      if (end === "token") {
        connection("a token is needed", false);
        await token();
      }
      wait = 250;
    } catch (error) {
      by("problem").textContent = error.message.startsWith("{") ? JSON.parse(error.message).error : "";
    }
    connection("reconnecting", false);
    before = null;
    for (const proxy of proxies.values()) proxy.before = null;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function token() {
  by("token").hidden = false;
  by("token-value").focus();
  return new Promise((resolve) => by("token").addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(TOKEN, by("token-value").value);
    by("token").hidden = true;
    resolve();
  }, { once: true }));
}

by("reset").addEventListener("click", async () => {
  if (!confirm("Remove all faults and enable all proxies?")) return;
  const { problem } = await change("POST", "/reset");
  say(problem ?? "all proxies are enabled and have no faults");
});

by("create").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const { problem, answer } = await change("POST", "/proxies", Object.fromEntries(new FormData(form)));
  form.querySelector(".problem").textContent = problem ?? "";
  if (problem) return;
  say(`${answer.name} listens on ${answer.listen}`);
  form.reset();
  form.elements.name.focus();
});

followForEver();
