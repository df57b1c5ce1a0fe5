// Finding, starting and ending the program.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FaultProxy, findProgram } from "fault-proxy";

const directory = mkdtempSync(path.join(tmpdir(), "fault-proxy-test-"));
after(() => rmSync(directory, { recursive: true }));
const here = path.dirname(fileURLToPath(import.meta.url));

function script(name, text) {
  const file = path.join(directory, name);
  writeFileSync(file, `#!/bin/sh\n${text}`);
  chmodSync(file, 0o755);
  return file;
}

/** Waits until the process has ended, for a minute at most. */
async function ended(pid) {
  for (let left = 3000; left > 0; left--) {
    try {
      process.kill(pid, 0);
    } catch (error) {
      assert.equal(error.code, "ESRCH");
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`process ${pid} is still running`);
}

/** Runs a program of JavaScript to its end. */
function node(text, env = {}) {
  const run = spawnSync(process.execPath, ["--input-type=module", "-e", text], {
    cwd: here,
    env: { ...process.env, ...env },
    encoding: "utf8",
  });
  return { ...run, printed: run.stdout + run.stderr };
}

test("the program of the package for the platform is found, with require as well", () => {
  assert.match(findProgram(), /node_modules\/@fault-proxy\/linux-(x64|arm64)\/fault-proxy$/);
  assert.equal(createRequire(import.meta.url)("fault-proxy").FaultProxy, FaultProxy);
});

test("a program that is named comes before that of the package", () => {
  const find = 'import { findProgram } from "fault-proxy"; console.log(findProgram());';
  const other = script("other", "");
  assert.equal(node(find, { FAULT_PROXY_BIN: other }).stdout, `${other}\n`);
  const missing = node(find, { FAULT_PROXY_BIN: "/no/program" });
  assert.match(missing.printed, /FAULT_PROXY_BIN is \/no\/program, which is not a file/);
});

test("a program on the path is the last choice", () => {
  // as on a platform without a package
  const find = `
    Object.defineProperty(process, "arch", { value: "pdp11" });
    const { findProgram } = await import("fault-proxy");
    console.log(findProgram());
  `;
  const onPath = script("fault-proxy", "");
  assert.equal(node(find, { PATH: directory }).stdout, `${onPath}\n`);
  const missing = node(find, { PATH: "" });
  for (const place of ["@fault-proxy/linux-pdp11", "FAULT_PROXY_BIN", "PATH"]) assert.ok(missing.printed.includes(place));
});

test("a program that does not start says why", async () => {
  const wrong = FaultProxy.start({ args: ["--no-such-flag"] });
  await assert.rejects(wrong, { name: "ProgramError", message: /it ended; it printed:\n[^]*--no-such-flag/ });
  await assert.rejects(FaultProxy.start({ program: "/no/program" }), { message: /it printed:\n.*ENOENT/ });
});

test("variables of the shell change nothing", () => {
  const start = `
    import { FaultProxy } from "fault-proxy";
    const faults = await FaultProxy.start();
    console.log((await faults.proxies()).length);
    await faults.close();
  `;
  const summary = path.join(directory, "summary");
  const env = { FAULT_PROXY: "not a mapping", FAULT_LOG_LEVEL: "error", GITHUB_STEP_SUMMARY: summary };
  assert.equal(node(start, env).stdout, "0\n");
  assert.ok(!existsSync(summary));
});

test("the program ends with tests that forget it, and with tests that are killed", async () => {
  const pidFile = path.join(directory, "pid");
  const program = script("program", `echo $$ > ${pidFile}\nexec "${findProgram()}" "$@"\n`);
  const start = 'import { FaultProxy } from "fault-proxy"; await FaultProxy.start();';
  const forgets = node(start, { FAULT_PROXY_BIN: program });
  assert.equal(forgets.status, 0, forgets.printed);
  await ended(Number(readFileSync(pidFile, "utf8")));
  const killed = node(`${start} process.kill(process.pid, "SIGKILL");`, { FAULT_PROXY_BIN: program });
  assert.equal(killed.signal, "SIGKILL");
  await ended(Number(readFileSync(pidFile, "utf8")));
});

test("a program that hangs is killed", async () => {
  const pidFile = path.join(directory, "hangs.pid");
  const text = `trap '' TERM\necho $$ > ${pidFile}\necho 'control API on http://127.0.0.1:1' >&2\nexec sleep 600\n`;
  const faults = await FaultProxy.start({ program: script("hangs", text) });
  await faults.close();
  await ended(Number(readFileSync(pidFile, "utf8")));
});

test("a failed test reports its proxies and log", async (t) => {
  if (t.passed === undefined) return t.skip("Node before 20.12 does not tell a test whether it has passed");
  const file = path.join(here, "fails.mjs");
  const env = { ...process.env };
  // Otherwise the test runner would take the inner run for a part of this one.
  delete env.NODE_TEST_CONTEXT;
  const run = spawn(process.execPath, ["--test", "--test-reporter=tap", file], { env, stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  run.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
  const [code] = await once(run, "close");
  assert.equal(code, 1, printed);
  assert.match(printed, /^ *# cache 127\.0\.0\.1:\d+ -> 127\.0\.0\.1:1: latency_downstream mean=300$/m);
  assert.match(printed, /^ *# .* control API on http:/m);
  assert.ok(!printed.includes("quiet"), printed);
});
