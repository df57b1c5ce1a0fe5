// Compares the presets of the dialog with their documentation: node --test presets.test.mjs, with PAGE_MODULES, a directory with the
// modules of the page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const load = (name) => import(join(process.env.PAGE_MODULES, name));
const { PRESETS } = await load("presets.js");
const { ctlAdd } = await load("preview.js");
const docs = readFileSync(new URL("../../../../docs/how-to/presets.md", import.meta.url), "utf8");

for (const { id, label, about, source, faults } of PRESETS) {
  test(`the documentation of ${label} has its figures and their source`, () => {
    assert(docs.includes(`| ${label} | ${about} | [${source.title}](${source.url}), ${source.date} |`), `${label}: ${about}`);
  });

  test(`the documentation of ${label} has its commands`, () => {
    const target = { host: "ADDR", proxy: { name: "cache" }, hasToken: false };
    const commands = faults.map((fault) => ctlAdd(target, fault).replace(" --addr ADDR", "").replaceAll(" \\\n ", ""));
    assert(docs.includes(`## ${label}\n\n\`\`\`sh\n${commands.join("\n")}\n\`\`\`\n`), commands.join("\n"));
  });

  test(`the faults of ${label} have names of their own`, () => {
    const names = faults.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    assert(names.every((name) => name.startsWith(id)), String(names));
  });
}
