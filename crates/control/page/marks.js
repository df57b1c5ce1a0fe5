// Labels of marks on a chart. Pure functions.

const CHARACTER = 7;
const GAP = 4;
// Distance from a mark to the right end of its label.
const OVERHANG = 10;

const widthOf = (label) => label.length * CHARACTER;

// The numbers of changes: "#3", "#3–5", "#3, 7" or "#3…9".
export function labelOf(numbers) {
  const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
  if (first === last) return `#${first}`;
  if (last - first === numbers.length - 1) return `#${first}–${last}`;
  return numbers.length === 2 ? `#${first}, ${last}` : `#${first}…${last}`;
}

// Adds the marks of a label to the one at its right.
function merge(into, { numbers, titles }) {
  into.numbers.unshift(...numbers);
  into.titles.unshift(...titles);
}

const leftOf = ({ right, numbers }) => right - widthOf(labelOf(numbers));

// Makes labels of `{ place, number, title }`, from right to left. Marks that are too close for labels of their own share one, whose
// title has a line for each.
export function labelled(marks) {
  const labels = [];
  for (const { place, number, title } of [...marks].sort((one, other) => other.place - one.place || other.number - one.number)) {
    const label = { right: place + OVERHANG, numbers: [number], titles: [title] };
    const last = labels.at(-1);
    if (last && label.right + GAP > leftOf(last)) merge(last, label); else labels.push(label);
  }
  // The leftmost must not be cut off.
  while (labels.length > 1 && widthOf(labelOf(labels.at(-1).numbers)) + GAP > leftOf(labels.at(-2))) {
    const label = labels.pop();
    merge(labels.at(-1), label);
  }
  return labels.map(({ right, numbers, titles }) => {
    const label = labelOf(numbers);
    return { right: Math.max(right, widthOf(label)), label, title: titles.join("\n") };
  });
}
