// Labels of marks on a chart. Pure functions.

const CHARACTER = 7;
const GAP = 10;

const widthOf = (label) => label.length * CHARACTER;

// The numbers of changes: "#3", "#3–5", "#3, 7" or "#3…9".
export function labelOf(numbers) {
  const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
  if (first === last) return `#${first}`;
  if (last - first === numbers.length - 1) return `#${first}–${last}`;
  return numbers.length === 2 ? `#${first}, ${last}` : `#${first}…${last}`;
}

// Puts a label over its marks, within the width.
function placed(marks, width) {
  const label = labelOf(marks.map(({ number }) => number));
  const middle = (marks[0].place + marks.at(-1).place) / 2;
  const left = Math.max(0, Math.min(middle - widthOf(label) / 2, width - widthOf(label)));
  return { marks, label, left, right: left + widthOf(label) };
}

// The first line of the title of several changes.
function headingOf(marks) {
  const numbers = marks.map(({ number }) => number);
  return marks.length > 1 ? [`${marks.length} changes, from #${Math.min(...numbers)} to #${Math.max(...numbers)}:`] : [];
}

// Makes labels of `{ place, number, title }`, the rightmost first. Marks whose labels would overlap share one, the closest first. Its
// title has their number, and a line for each.
export function labelled(marks, width = Infinity) {
  const sorted = [...marks].sort((one, other) => one.place - other.place || one.number - other.number);
  const labels = sorted.map((mark) => placed([mark], width));
  const distance = (index) => labels[index + 1].marks[0].place - labels[index].marks.at(-1).place;
  for (;;) {
    const overlapping = labels.slice(1).map((_, index) => index).filter((index) => labels[index].right + GAP > labels[index + 1].left);
    if (overlapping.length === 0) break;
    const closest = overlapping.reduce((best, index) => (distance(index) < distance(best) ? index : best));
    labels.splice(closest, 2, placed([...labels[closest].marks, ...labels[closest + 1].marks], width));
  }
  return labels.reverse().map(({ marks: of, label, right }) => ({ right, label, title: [...headingOf(of), ...of.map(({ title }) => title)].join("\n") }));
}
