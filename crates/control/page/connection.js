// Follows the server's state, and sends requests to it.

const TOKEN = "fault-proxy-token";
const MIN_WAIT = 250;
const MAX_WAIT = 5000;

function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  return { "X-Fault-Proxy-Page": "1", ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

export const hasToken = () => Boolean(sessionStorage.getItem(TOKEN));
export const setToken = (token) => sessionStorage.setItem(TOKEN, token);

// Sends a request. Returns `{ answer }`, or `{ problem }`, which is the error of the server.
export async function change(method, path, body) {
  try {
    const response = await fetch(path, {
      method,
      headers: headers({ "Content-Type": "application/json" }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    const answer = text ? JSON.parse(text) : {};
    return response.ok ? { answer } : { problem: answer.error ?? `the server responds with status ${response.status}` };
  } catch (error) {
    return { problem: `the server does not respond: ${error.message}` };
  }
}

// Reads server-sent events until the server ends them. Not an EventSource: that cannot send headers.
async function follow(onState) {
  const response = await fetch("/events", { headers: headers() });
  if (response.status === 401) return false;
  if (!response.ok) throw new Error(JSON.parse(await response.text()).error);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return true;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (data) onState(JSON.parse(data));
    }
  }
}

// Calls `onState` with each state, `onLost` when the connection is lost. `askToken` returns a promise that resolves when a token is set.
export async function followForEver({ onState, onLost, askToken }) {
  for (let wait = MIN_WAIT; ; wait = Math.min(wait * 2, MAX_WAIT)) {
    try {
      const isPermitted = await follow((state) => { wait = MIN_WAIT; onState(state); });
      if (!isPermitted) {
        await askToken();
        continue;
      }
      onLost("");
    } catch (error) {
      // Errors of `fetch` do not say more than that there is no connection.
      onLost(error instanceof TypeError ? "" : error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
