// The throughput of a proxy in the last minute, and its failed sessions, as a small picture.

import { rate } from "./format.js";
import { svg } from "./svg.js";

const POINTS = 60;
const [WIDTH, HEIGHT] = [120, 28];

export class Sparkline {
  constructor() {
    this.samples = [];
    this.picture = svg("svg", { class: "sparkline", role: "img", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" });
  }

  // Takes the samples of the server's history. A new proxy can have failed sessions that are not in a sample yet.
  load(samples, failed) {
    this.samples = samples.map((of) => ({ bytes: of.bytes_to_upstream + of.bytes_to_client, failed: of.sessions_failed })).slice(-POINTS);
    const rest = failed - samples.reduce((sum, of) => sum + of.sessions_failed, 0);
    if (rest > 0 && samples.length < POINTS) this.push(0, rest);
  }

  push(bytes, failed) {
    this.samples.push({ bytes, failed });
    if (this.samples.length > POINTS) this.samples.shift();
  }

  draw() {
    const top = Math.max(1, ...this.samples.map(({ bytes }) => bytes));
    const x = (index) => WIDTH - (this.samples.length - 1 - index) * (WIDTH / (POINTS - 1));
    const y = (bytes) => HEIGHT - 2 - (bytes / top) * (HEIGHT - 5);
    const points = this.samples.map(({ bytes }, index) => `${x(index).toFixed(1)},${y(bytes).toFixed(1)}`);
    const failures = this.samples.flatMap(({ failed }, index) => (failed ? [svg("line", { class: "failed", x1: x(index), x2: x(index), y1: HEIGHT, y2: HEIGHT - 9 })] : []));
    const base = svg("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 });
    const lines = points.length > 1 ? [
      svg("polygon", { class: "area", points: `${x(0).toFixed(1)},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}` }),
      svg("polyline", { class: "one", points: points.join(" ") }),
    ] : [];
    this.picture.replaceChildren(base, ...lines, ...failures);
    const failed = this.samples.reduce((sum, of) => sum + of.failed, 0);
    const most = this.samples.length ? Math.max(...this.samples.map(({ bytes }) => bytes)) : 0;
    this.picture.setAttribute("aria-label", `Last minute: at most ${rate(most)}${failed ? `, ${failed} failed sessions` : ""}`);
  }
}
