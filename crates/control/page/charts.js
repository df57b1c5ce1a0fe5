// Numbers for people, and charts of the last minute.

const POINTS = 60;
const [WIDTH, HEIGHT] = [600, 120];

export function bytes(count) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${unit === 0 ? Math.round(count) : count.toPrecision(3)} ${units[unit]}`;
}

export function millis(time) {
  if (time === null || time === undefined) return "–";
  if (time === 0) return "0 ms";
  if (time >= 10_000) return `${(time / 1000).toFixed(1)} s`;
  return `${time >= 100 ? Math.round(time) : time.toPrecision(2)} ms`;
}

export function age(time) {
  const seconds = Math.floor(time / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// One value a tick and direction; `null` is a gap.
export class Chart {
  constructor(svg, what, told) {
    Object.assign(this, { svg, what, told, up: [], down: [] });
  }

  push(up, down) {
    for (const [values, value] of [[this.up, up], [this.down, down]]) {
      values.push(value);
      if (values.length > POINTS) values.shift();
    }
    this.draw();
  }

  draw() {
    const top = Math.max(...this.up, ...this.down, 1e-9) * 1.1;
    const at = (values) => (value, index) => {
      const x = WIDTH - (values.length - 1 - index) * (WIDTH / (POINTS - 1));
      return value === null ? null : `${x.toFixed(1)},${(HEIGHT - 4 - (value / top) * (HEIGHT - 8)).toFixed(1)}`;
    };
    const lines = [["up", this.up], ["down", this.down]].flatMap(([name, values]) =>
      runs(values.map(at(values))).map((points) => element("polyline", { class: name, points: points.join(" ") })));
    const grid = [0.25, 0.5, 0.75].map((part) =>
      element("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }));
    this.svg.replaceChildren(...grid, ...lines);
    this.svg.parentElement.dataset.top = this.told(top);
    const last = (values) => this.told(values.at(-1) ?? null);
    const most = (values) => this.told(Math.max(0, ...values));
    this.svg.setAttribute("aria-label",
      `${this.what} of the last minute. Requests: now ${last(this.up)}, at most ${most(this.up)}. ` +
      `Responses: now ${last(this.down)}, at most ${most(this.down)}.`);
  }
}

// The stretches between gaps; a single point is as wide as a dot.
function runs(points) {
  const all = [[]];
  for (const point of points) {
    if (point === null) all.push([]); else all.at(-1).push(point);
  }
  return all.filter((run) => run.length).map((run) => (run.length === 1 ? [run[0], run[0]] : run));
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
