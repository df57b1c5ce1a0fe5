// Ticks of the axes of charts.

import { millis, rate, shortest } from "./format.js";

// The smallest of 1, 2 and 5 times a power of ten that is at least `step`.
function round(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * ([1, 2, 5].find((factor) => factor * power >= step * 0.999) ?? 10);
}

// Round values from 0 to at least `max`, at most five.
function values(max, min_step) {
  const step = Math.max(min_step, round(max / 4));
  const count = Math.max(1, Math.ceil((max / step) * 0.999));
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

// Each kind of values has an axis that also fits an idle proxy. Its ticks have a `label`, and its values are written as a `figure`.
export const AXES = {
  rate: { ticks: (max) => values(Math.max(max, 1000), 1), label: (value) => rate(value, shortest), figure: rate },
  latency: { ticks: (max) => values(Math.max(max, 0.01), 0.001), label: (value) => millis(value, shortest), figure: millis, idle: 10 },
  count: { ticks: (max) => values(Math.max(max, 4), 1), label: String, figure: String },
};

const STEPS_S = [5, 10, 15, 30, 60, 120, 300];

// Round times of day between two times, in milliseconds since 1970, with their labels; `most` is how many fit.
export function times(from, to, most) {
  const step = 1000 * (STEPS_S.find((seconds) => (to - from) / (seconds * 1000) <= most) ?? STEPS_S.at(-1));
  const first = Math.ceil(from / step) * step;
  const label = (time) => new Date(time).toTimeString().slice(0, step % 60_000 ? 8 : 5);
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step)
    .map((time) => ({ time, label: label(time) }));
}
