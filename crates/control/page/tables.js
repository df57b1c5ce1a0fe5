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

// Shows a pair of texts. The second one has a width of its own (page.css), so that those above each other line up.
function showPair(cell, texts) {
  if (cell.childElementCount !== 2) cell.replaceChildren(element("span"), " / ", element("span", { className: "second" }));
  texts.forEach((text, index) => { if (cell.children[index].textContent !== text) cell.children[index].textContent = text; });
}

// Makes the rows those of `items`, in their order. `cellsOf` returns texts, pairs of texts or elements.
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
      } else if (Array.isArray(content)) {
        showPair(cell, content);
      } else if (cell.textContent !== String(content)) {
        cell.textContent = content;
      }
      cell.classList.toggle("empty", content === NONE);
    });
  });
  for (const row of there.values()) row.remove();
}

const FIRST = 10;
// A few rows more take no more space than the button.
const FEW = 2;

// A table with its first rows, and a button below it that shows the others. A box that scrolls would cut a row, and would take the
// finger that scrolls the page.
export class Folded {
  constructor(label, columns) {
    this.table = table(columns);
    this.button = element("button", { type: "button", className: "fold", hidden: true });
    this.button.addEventListener("click", () => { this.isOpen = !this.isOpen; this.show(); });
    this.root = element("div", { role: "region", aria: { label } }, element("div", { className: "scroll" }, this.table), this.button);
    this.fold();
  }

  // Shows the first rows only, with the next `fill`.
  fold() {
    this.isOpen = false;
  }

  // As the function `fill`.
  fill(...given) {
    this.given = given;
    this.show();
  }

  show() {
    const [items, ...how] = this.given;
    const more = items.length - FIRST;
    const isShort = more <= FEW;
    fill(this.table, isShort || this.isOpen ? items : items.slice(0, FIRST), ...how);
    this.button.hidden = isShort;
    const text = this.isOpen ? `Show the first ${FIRST} only` : `Show ${more} more`;
    if (this.button.textContent !== text) this.button.textContent = text;
  }
}
