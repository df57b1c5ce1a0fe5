"use strict";

const { Program, ProgramError, findProgram } = require("./program.js");

/** Changes of proxies can take the API up to 25 s. */
const TIMEOUT = 30_000;
// Older versions of Node do not have it, and TypeScript compiles `await using` to this.
const asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");

/** The control API refused a request. */
class ApiError extends Error {
  name = "ApiError";

  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

class Api {
  constructor(url) {
    this.url = url;
  }

  async send(method, path, body) {
    const url = [this.url, ...path.map(encodeURIComponent)].join("/");
    const headers = { "Content-Type": "application/json", "User-Agent": "fault-proxy-node" };
    const signal = AbortSignal.timeout(TIMEOUT);
    let response, text;
    try {
      response = await fetch(url, { method, headers, body: body && JSON.stringify(body), signal });
      text = await response.text();
    } catch (error) {
      const reason = error.cause?.message ?? error.message;
      throw new ProgramError(`cannot reach the control API of fault-proxy at ${this.url}: ${reason}`, { cause: error });
    }
    if (!response.ok) throw new ApiError(message(text), response.status);
    return text ? JSON.parse(text) : undefined;
  }

  /** Deletes what `path` names, unless a reset has removed it. */
  async delete(...path) {
    try {
      await this.send("DELETE", path);
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }
}

function message(text) {
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text;
  }
}

class FaultProxy {
  #program;
  #api;

  constructor(program) {
    this.#program = program;
    this.#api = new Api(program.url);
  }

  static async start({ args = [], program } = {}) {
    return new FaultProxy(await Program.start(program ?? findProgram(), args));
  }

  static async forTest(t, options) {
    const faults = await FaultProxy.start(options);
    t.after(async () => {
      try {
        if (t.passed === false) for (const line of await faults.#report()) t.diagnostic(line);
      } finally {
        await faults.close();
      }
    });
    return faults;
  }

  get url() {
    return this.#program.url;
  }

  async proxy(name, upstream, { listen = "127.0.0.1:0" } = {}) {
    return this.#proxy(await this.#api.send("POST", ["proxies"], { name, listen, upstream }));
  }

  async proxies() {
    return Object.values(await this.#api.send("GET", ["proxies"])).map((found) => this.#proxy(found));
  }

  async reset() {
    await this.#api.send("POST", ["reset"]);
  }

  log() {
    return this.#program.lines();
  }

  async close() {
    await this.#program.close();
  }

  async [asyncDispose]() {
    await this.close();
  }

  #proxy({ name, listen, upstream }) {
    return new Proxy(this.#api, name, listen, upstream);
  }

  /** Returns a line for each proxy with its faults, then the log. */
  async #report() {
    const proxies = Object.values(await this.#api.send("GET", ["proxies"]));
    const lines = proxies.map(({ name, listen, upstream, enabled, toxics }) => {
      const faults = toxics.map(({ name, attributes }) => {
        return [name, ...Object.entries(attributes).map(([name, value]) => `${name}=${value}`)].join(" ");
      });
      return `${name} ${listen} -> ${upstream}${enabled ? "" : " (down)"}: ${faults.join(", ") || "no faults"}`;
    });
    return ["fault-proxy:", ...lines, ...this.log()];
  }
}

class Proxy {
  #api;

  constructor(api, name, address, upstream) {
    this.#api = api;
    this.name = name;
    this.address = address;
    this.upstream = upstream;
  }

  get host() {
    return this.address.slice(0, this.address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  }

  get port() {
    return Number(this.address.slice(this.address.lastIndexOf(":") + 1));
  }

  async fault(type, attributes = {}, { stream = "downstream", toxicity = 1, name, ttl } = {}) {
    const spec = { type, stream, toxicity, name, ttl, attributes };
    const made = await this.#api.send("POST", ["proxies", this.name, "toxics"], spec).catch(async (error) => {
      // The text is that of Toxiproxy, which does not name the type.
      if (error.message !== "invalid toxic type") throw error;
      const types = (await this.#api.send("GET", ["fault-types"])).map((known) => known.type).join(", ");
      throw new ApiError(`${error.message}: '${type}'; types of faults: ${types}`, error.status);
    });
    return new Fault(made.name, () => this.#api.delete("proxies", this.name, "toxics", made.name));
  }

  async down() {
    await this.#enable(false);
    return new Fault("down", () => this.#enable(true));
  }

  async faults() {
    return this.#api.send("GET", ["proxies", this.name, "toxics"]);
  }

  async remove() {
    await this.#api.delete("proxies", this.name);
  }

  async #enable(enabled) {
    await this.#api.send("POST", ["proxies", this.name], { enabled });
  }
}

class Fault {
  #end;

  constructor(name, end) {
    this.name = name;
    this.#end = end;
  }

  async remove() {
    await this.#end();
  }

  async [asyncDispose]() {
    await this.remove();
  }
}

module.exports = { ApiError, Fault, FaultProxy, ProgramError, Proxy, findProgram };
