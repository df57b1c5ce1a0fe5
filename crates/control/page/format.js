// Numbers and times for people.

export const NONE = "–";

// Three digits at most, without an exponent.
function short(value) {
  if (value >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(value >= 10 ? 3 : 2)));
}

export function bytes(count) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${unit === 0 ? Math.round(count) : short(count)} ${units[unit]}`;
}

export const rate = (value) => (value === null || value === undefined ? NONE : `${bytes(value)}/s`);

export function millis(time) {
  if (time === null || time === undefined) return NONE;
  if (time === 0) return "0 ms";
  if (time < 0.9995) return `${short(time * 1000)} µs`;
  return time < 999.5 ? `${short(time)} ms` : `${short(time / 1000)} s`;
}

export const quantiles = (times) => (times ? `${millis(times.p50)} / ${millis(times.p99)}` : NONE);

export const whole = (count) => count.toLocaleString("en-US");

export const percent = (share) => `${Number((share * 100).toPrecision(3))}%`;

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
