// Makes elements.

let count = 0;

export const newId = () => `dialog-${count += 1}`;

// `properties` are those of the element; `data` and `aria` become attributes with these prefixes.
export function element(name, { data = {}, aria = {}, role, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  for (const [key, value] of Object.entries(data)) made.dataset[key] = value;
  for (const [key, value] of Object.entries(aria)) made.setAttribute(`aria-${key}`, value);
  if (role) made.setAttribute("role", role);
  made.append(...children);
  return made;
}
