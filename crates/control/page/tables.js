// Tables whose rows are updated in place, so that the focus and a selection stay. In a narrow window each row is a block (page.css),
// which is why the roles are explicit.

import { element } from "./elements.js";
import { NONE } from "./format.js";

// A column is a heading, or a heading and a class: "number" is aligned to the right, "wide" has a line of its own in a narrow window,
// "name" may be long, and "breaks" breaks lines anywhere.
export function table(columns) {
  const heads = columns.map((column) => {
    const [textContent, className = ""] = [column].flat();
    return element("th", { scope: "col", role: "columnheader", className, textContent });
  });
  return element("table", { className: "rows", role: "table" },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)), element("tbody", { role: "rowgroup" }));
}

export const number = (heading) => [heading, "number"];

function newCell({ className, textContent }, index) {
  if (index === 0) return element("th", { scope: "row", role: "rowheader", className });
  return element("td", { role: "cell", className, data: { label: textContent } });
}

// Makes the rows those of `items`, in their order. `cellsOf` returns texts or elements.
export function fill(made, items, keyOf, cellsOf) {
  const body = made.tBodies[0];
  const heads = made.tHead.rows[0].cells;
  const there = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  items.forEach((item, place) => {
    const key = String(keyOf(item));
    const row = there.get(key) ?? element("tr", { role: "row", data: { key } });
    there.delete(key);
    if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
    cellsOf(item, row).forEach((content, index) => {
      const cell = row.cells[index] ?? row.appendChild(newCell(heads[index], index));
      if (content instanceof Node) {
        if (cell.firstChild !== content) cell.replaceChildren(content);
      } else if (cell.textContent !== String(content)) {
        cell.textContent = content;
      }
      cell.classList.toggle("empty", content === NONE);
    });
  });
  for (const row of there.values()) row.remove();
}

const EDGE = 4;

// A box in which a table scrolls. A note below it tells which rows are in view, because not all browsers show a scrollbar.
export class ScrollBox {
  constructor(label, ...content) {
    this.root = element("div", { className: "scroll box", tabIndex: 0, role: "region", aria: { label } }, ...content);
    this.note = element("p", { className: "note", hidden: true });
    this.root.addEventListener("scroll", () => this.tell(), { passive: true });
    const sizes = new ResizeObserver(() => this.tell());
    for (const each of [this.root, ...content]) sizes.observe(each);
  }

  tell() {
    const { root, note } = this;
    note.hidden = root.scrollHeight <= root.clientHeight + 1;
    root.classList.toggle("below", root.scrollTop + root.clientHeight < root.scrollHeight - 1);
    if (note.hidden) return;
    const { top, bottom } = root.getBoundingClientRect();
    const start = Math.max(top, root.querySelector("thead").getBoundingClientRect().bottom);
    const rows = [...root.querySelectorAll("tbody tr")].map((row, index) => ({ number: index + 1, box: row.getBoundingClientRect() }));
    // The edges of a row are outside of its text.
    const whole = rows.filter(({ box }) => box.top + EDGE >= start && box.bottom - EDGE <= bottom);
    const inView = whole.length ? whole : rows.filter(({ box }) => box.bottom > start && box.top < bottom);
    note.hidden = inView.length === rows.length;
    set(note, `${inView[0].number}–${inView.at(-1).number} of ${rows.length}: scroll to see the others`);
  }
}

function set(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
