"use strict";
// Finding, starting and ending the program.

const { spawn } = require("node:child_process");
const { existsSync, statSync } = require("node:fs");
const path = require("node:path");

const VARIABLE = "FAULT_PROXY_BIN";
const START_TIMEOUT = 30_000;
/** Log lines that are kept. */
const MAX_LINES = 10_000;

// Runs the program until stdin is closed, which also happens when the process of the tests is killed.
const SUPERVISOR = `
const [, program, ...args] = process.argv;
const child = require("node:child_process").spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
child.on("error", (error) => { console.error(error.message); process.exit(1); });
child.on("exit", () => process.exit());
process.stdin.on("end", () => {
  child.kill();
  setTimeout(() => child.kill("SIGKILL"), 5000);
}).resume();
`;

/** The program could not be found or started, or has ended. */
class ProgramError extends Error {
  name = "ProgramError";
}

function findProgram() {
  const named = process.env[VARIABLE];
  if (named) {
    if (!isFile(named)) {
      throw new ProgramError(`${VARIABLE} is ${named}, which is not a file: set it to the path of fault-proxy`);
    }
    return named;
  }
  const platform = `@fault-proxy/${process.platform}-${process.arch}`;
  try {
    return require.resolve(`${platform}/fault-proxy`);
  } catch {
    // not installed
  }
  for (const directory of (process.env.PATH ?? "").split(path.delimiter)) {
    const program = path.join(directory, "fault-proxy");
    if (directory && isFile(program)) return program;
  }
  throw new ProgramError(
    `cannot find the program fault-proxy: the package ${platform} is not installed, ${VARIABLE} is not set, and it ` +
      `is not on PATH; install the package fault-proxy without --omit=optional, or set ${VARIABLE} to the path of the program`,
  );
}

function isFile(file) {
  return existsSync(file) && statSync(file).isFile();
}

/** A running `fault-proxy run` with its log. */
class Program {
  #process;
  #ended;
  #lines = [];

  /** Starts the program and waits until its control API is ready. */
  static async start(program, args) {
    const started = new Program(program, args);
    try {
      started.url = await started.#url(program);
    } catch (error) {
      await started.close();
      throw error;
    }
    return started;
  }

  constructor(program, args) {
    const run = ["run", "--control", "127.0.0.1:0", "--no-ui", "--drain-timeout", "0"];
    // Tests add faults while pooled connections are open. A session that does not read its requests from its start cannot
    // begin to.
    run.push("--count-requests", ...args);
    // The tests decide what the program does, not the variables of the shell that runs them. Its summary is not that of a
    // GitHub workflow.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(FAULT|GITHUB)_/.test(name)));
    // In a separate process group, because Ctrl-C is for the tests.
    this.#process = spawn(process.execPath, ["-e", SUPERVISOR, "--", program, ...run], {
      stdio: ["pipe", "ignore", "pipe"],
      env,
      detached: true,
    });
    this.#ended = new Promise((resolve) => this.#process.once("close", resolve));
    // Tests that forget `close` end nevertheless, and the program with them.
    this.#process.unref();
    this.#process.stdin.unref();
    this.#process.stdin.on("error", () => {});
  }

  #url(program) {
    const { stderr } = this.#process;
    const { promise, resolve, reject } = withResolvers();
    const failed = (reason) =>
      reject(new ProgramError(`cannot start ${program}: ${reason}; it printed:\n${this.#lines.join("\n") || "(nothing)"}`));
    const timer = setTimeout(() => failed("its control API was not ready in time"), START_TIMEOUT);
    let rest = "";
    stderr.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        this.#lines.push(line);
        const api = line.match(/control API on (http:\/\/\S+)/);
        if (api) resolve(api[1]);
      }
      if (this.#lines.length > MAX_LINES) this.#lines.splice(0, this.#lines.length - MAX_LINES);
    });
    this.#process.once("error", (error) => failed(error.message));
    this.#process.once("close", () => failed("it ended"));
    return promise.finally(() => {
      clearTimeout(timer);
      stderr.unref();
    });
  }

  lines() {
    return [...this.#lines];
  }

  /** Ends the program and waits for its end. */
  async close() {
    this.#process.ref();
    this.#process.stderr.ref();
    this.#process.stdin.end();
    await this.#ended;
  }
}

function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...functions) => ([resolve, reject] = functions));
  return { promise, resolve, reject };
}

module.exports = { Program, ProgramError, findProgram };
