// The latest changes by clients of the API. They are read when there are new ones and somebody looks.

const ROWS = 100;

export class Changes {
  constructor(details, headers) {
    this.details = details;
    this.headers = headers;
    this.count = 0;
    this.shown = null;
    details.addEventListener("toggle", () => this.update(this.count));
  }

  async update(count) {
    this.count = count;
    this.details.querySelector("b").textContent = count;
    if (!this.details.open || this.shown === count) return;
    this.shown = count;
    try {
      const response = await fetch("/changes", { headers: this.headers() });
      if (!response.ok) throw new Error(`the server answers ${response.status}`);
      const changes = (await response.json()).slice(-ROWS).reverse();
      this.details.querySelector("tbody").replaceChildren(...changes.map(row));
    } catch {
      this.shown = null; // with the next state, again
    }
  }
}

function row({ unix_ms, client, user_agent, action, proxy, before, after }) {
  const tr = document.createElement("tr");
  const time = new Date(unix_ms).toLocaleTimeString();
  for (const text of [time, client, user_agent ?? "", action, proxy, JSON.stringify(before), JSON.stringify(after)]) {
    tr.insertCell().textContent = text;
  }
  return tr;
}
