// Numbers and times for people.

export const NONE = "–";

// Figures have one decimal, so that those of one unit line up in a column, and keep their place while they change.
const figure = (value) => value.toFixed(1);

// Labels of axes have the decimals that they need.
export const shortest = (value) => String(Number(value.toPrecision(3)));

export function bytes(count, digits = figure) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= (unit === 0 ? 999.5 : 999.95) && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${unit === 0 ? Math.round(count) : digits(count)} ${units[unit]}`;
}

export const rate = (value, digits) => (value === null || value === undefined ? NONE : `${bytes(value, digits)}/s`);

export function millis(time, digits = figure) {
  if (time === null || time === undefined) return NONE;
  if (time > 0 && time < 0.9995) return `${Math.round(time * 1000)} µs`;
  return time < 999.95 ? `${digits(time)} ms` : `${digits(time / 1000)} s`;
}

// The p50 and the p99 as a pair of texts.
export const quantiles = (times) => (times ? [millis(times.p50), millis(times.p99)] : NONE);

export const whole = (count) => count.toLocaleString("en-US");

// A share that someone has set, with the decimals that it has, and one that was measured.
export const percent = (share) => `${Number((share * 100).toPrecision(3))}%`;
export const measured = (share) => (share === null ? NONE : `${(share * 100).toFixed(2)}%`);

// The text of an error of the system, without its number.
export const withoutErrno = (message) => message.replace(/ \(os error \d+\)/g, "");

const MAX_NAME = 40;

// A name for a message, in which a long one would hide the rest.
export function shortName(name) {
  const characters = [...name];
  return characters.length > MAX_NAME ? `${characters.slice(0, MAX_NAME - 1).join("")}…` : name;
}

// As on a stopwatch: 1:05, 2:00:00.
export function age(time) {
  const seconds = Math.floor(time / 1000);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

export function ago(time) {
  const seconds = Math.max(0, Math.round(time / 1000));
  if (seconds === 0) return "just now";
  if (seconds < 90) return `${seconds} s ago`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

// The time of day, with 24 hours.
export const clock = (unix_ms) => new Date(unix_ms).toTimeString().slice(0, 8);

// Keeps numbers with their units, "0 to 1" and "0.1 or 10%" in one line.
export const unbroken = (text) => text.replaceAll(/(\d) (?=[kKmMgG]?bit|[kKMGT]?i?B\b|[mµ]?s\b|min\b|h\b)/g, "$1\u00a0").replaceAll(/(\d) (to|or) (?=\d)/g, "$1\u00a0$2\u00a0");

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// Compares names as people do: svc-2 comes before svc-10.
export const naturally = (one, other) => collator.compare(one, other) || (one < other ? -1 : 1);
