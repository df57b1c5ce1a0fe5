// A chart of the last minutes, with axes, and marks for changes.

import { AXES, times } from "./axis.js";
import { element } from "./elements.js";
import { NONE, clock } from "./format.js";
import { labelled } from "./marks.js";
import { svg } from "./svg.js";

const HEIGHT = 190;
// The labels of all axes have the same width, so that charts below each other have the same times at the same place.
const EDGE = { left: 64, right: 10, top: 20, bottom: 24 };
// Half of the width of a time, in pixels.
const HALF_LABEL = 27;

// The second series is wider, and behind the first one.
const isBehind = (one, other) => (other.className === "two") - (one.className === "two");

export class Chart {
  // `series` are `{ name, className, value(sample), isBar }`.
  constructor(title, axis, series) {
    Object.assign(this, { title, axis: AXES[axis], series, view: null, at: null });
    this.legend = series.map(({ name, className }) => ({ value: element("b"), name, className }));
    this.time = element("span", { className: "time" });
    this.picture = svg("svg", { class: "chart", role: "img", "aria-label": title, height: HEIGHT });
    const entries = this.legend.map(({ value, name, className }) =>
      element("span", { className: "entry" }, element("i", { className: `key ${className}` }), `${name} `, value));
    this.figure = element("figure", { className: "panel" }, element("figcaption", {}, element("strong", { textContent: title }), this.time, element("span", { className: "legend" }, ...entries)), this.picture);
    new ResizeObserver(() => this.draw()).observe(this.picture);
  }

  // `view` is `{ samples, from, to, marks }`. Times are in milliseconds since 1970, `at` of a sample too.
  show(view) {
    this.view = view;
    this.draw();
  }

  // Forgets what it showed.
  clear() {
    this.view = null;
    this.picture.replaceChildren();
    this.picture.setAttribute("aria-label", this.title);
    for (const { value } of this.legend) value.textContent = NONE;
  }

  // The time that the legend shows, or null for the latest.
  point(at) {
    this.at = at;
    this.draw();
  }

  // The time at a place of the screen.
  timeAt(client_x) {
    const { left, width } = this.picture.getBoundingClientRect();
    const { from, to } = this.view;
    return from + ((client_x - left - EDGE.left) / (width - EDGE.left - EDGE.right)) * (to - from);
  }

  draw() {
    const width = this.picture.clientWidth;
    if (!this.view || width === 0) return;
    const { samples, from, to, marks } = this.view;
    const all = samples.flatMap((sample) => this.series.map(({ value }) => value(sample))).filter((value) => value !== null);
    const ticks = this.axis.ticks(all.length ? Math.max(...all) || this.axis.idle || 0 : this.axis.idle ?? 0);
    const [right, bottom] = [width - EDGE.right, HEIGHT - EDGE.bottom];
    const scale = {
      x: (time) => EDGE.left + ((time - from) / (to - from)) * (right - EDGE.left),
      y: (value) => bottom - (value / ticks.at(-1)) * (bottom - EDGE.top),
    };
    const parts = [
      ...ticks.flatMap((tick) => [
        svg("line", { class: "grid", x1: EDGE.left, x2: right, y1: scale.y(tick), y2: scale.y(tick) }),
        svg("text", { x: EDGE.left - 6, y: scale.y(tick) + 4, "text-anchor": "end" }, this.axis.label(tick)),
      ]),
      ...times(from, to, Math.floor((right - EDGE.left) / 64)).flatMap(({ time, label }) => [
        svg("line", { class: "grid", x1: scale.x(time), x2: scale.x(time), y1: bottom, y2: bottom + 4 }),
        // A time that does not fit below its tick is left out: beside it, it would be wrong.
        ...(scale.x(time) + HALF_LABEL <= width ? [svg("text", { x: scale.x(time), y: HEIGHT - 6, "text-anchor": "middle" }, label)] : []),
      ]),
      ...drawnMarks(marks, scale, bottom, width),
      ...[...this.series].sort(isBehind).flatMap((series) => drawn(series, samples, scale, bottom)),
    ];
    const sample = this.at === null ? samples.at(-1) : nearest(samples, this.at);
    if (this.at !== null && sample) parts.push(svg("line", { class: "pointer", x1: scale.x(sample.at), x2: scale.x(sample.at), y1: EDGE.top, y2: bottom }));
    this.picture.replaceChildren(...parts);
    this.describe(sample, all);
  }

  describe(sample, all) {
    const label = (value) => (value === null ? NONE : this.axis.figure(value));
    this.series.forEach(({ value }, index) => { this.legend[index].value.textContent = sample ? label(value(sample)) : NONE; });
    this.time.textContent = this.at !== null && sample ? `at ${clock(sample.at)}` : "values: last second";
    const latest = this.legend.map(({ name, value }) => `${name} ${value.textContent}`).join(", ");
    const marks = this.view.marks.filter(({ number }) => number !== undefined).length;
    this.picture.setAttribute("aria-label", `${this.title}: now ${latest}; at most ${all.length ? this.axis.figure(Math.max(...all)) : NONE}`
      + `${marks ? `; marks of ${marks} ${marks === 1 ? "change" : "changes"}, which the table of changes lists` : ""}`);
  }
}

function drawn({ value, className, isBar }, samples, { x, y }, bottom) {
  if (isBar) {
    return samples.filter((sample) => value(sample) > 0)
      .map((sample) => svg("line", { class: `bar ${className}`, x1: x(sample.at), x2: x(sample.at), y1: bottom, y2: y(value(sample)) }));
  }
  return runs(samples, value).map((run) => {
    const points = run.map((sample) => `${x(sample.at).toFixed(1)},${y(value(sample)).toFixed(1)}`);
    if (points.length === 1) return svg("circle", { class: className, cx: x(run[0].at), cy: y(value(run[0])), r: className === "two" ? 3.5 : 2 });
    return svg("polyline", { class: className, points: points.join(" ") });
  });
}

// The stretches between gaps.
function runs(samples, value) {
  const all = [[]];
  for (const sample of samples) {
    if (value(sample) === null) all.push([]); else all.at(-1).push(sample);
  }
  return all.filter((run) => run.length);
}

// A line at a whole pixel is not blurred, and those at the same pixel are one line.
const whole = (place) => Math.floor(place) + 0.5;

// Lines at changes and at the windows of schedules. Changes have labels.
function drawnMarks(marks, { x }, bottom, width) {
  const placed = marks.map((mark) => ({ ...mark, place: x(mark.at) }));
  const keyOf = ({ place, className }) => `${className} ${whole(place)}`;
  const lines = [...new Set(placed.map(keyOf))].map((key) => {
    const same = placed.filter((mark) => keyOf(mark) === key);
    const [x, { className }] = [whole(same[0].place), same[0]];
    const title = same.map(({ title }) => title).join("\n");
    return svg("line", { class: `mark ${className}`, x1: x, x2: x, y1: EDGE.top - 6, y2: bottom }, svg("title", {}, title));
  });
  const labels = labelled(placed.filter(({ number }) => number !== undefined), width).map(({ right, label, title }) =>
    svg("text", { class: "mark", x: right, y: EDGE.top - 8, "text-anchor": "end" }, label, svg("title", {}, title)));
  return [...lines, ...labels];
}

function nearest(samples, time) {
  return samples.reduce((best, sample) => (!best || Math.abs(sample.at - time) < Math.abs(best.at - time) ? sample : best), null);
}
