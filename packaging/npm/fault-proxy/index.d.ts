/** Arguments of `FaultProxy.start`. */
export interface StartOptions {
  /** Further arguments of `fault-proxy run`, for example `["--journal", "run.jsonl"]`. */
  args?: readonly string[];
  /** Path of the program. Defaults to the result of `findProgram`. */
  program?: string;
}

/** The part of the context of a test in `node:test` that `FaultProxy.forTest` uses. */
export interface TestContext {
  after(hook: () => Promise<void>): void;
  diagnostic(message: string): void;
  readonly passed?: boolean;
}

/** A running fault-proxy. */
export class FaultProxy {
  private constructor();
  /** Starts the program. It ends with `close`, with a block that declares it by `await using`, or with this process. */
  static start(options?: StartOptions): Promise<FaultProxy>;
  /**
   * Starts the program for a test of `node:test`. It ends with the test. If the test fails, its diagnostics have the proxies
   * and the log. This needs Node 20.12.
   */
  static forTest(t: TestContext, options?: StartOptions): Promise<FaultProxy>;
  /** URL of the control API, which the clients of Toxiproxy understand too: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /**
   * Starts a proxy. It listens on a free port of 127.0.0.1 unless `listen` is set.
   * @param upstream `HOST:PORT` or the right side of a mapping, for example `https://web` or `psqls://db`
   */
  proxy(name: string, upstream: string, options?: { listen?: string }): Promise<Proxy>;
  /** Returns all proxies, also those that another client of the control API has made. */
  proxies(): Promise<Proxy[]>;
  /** Removes all faults and ends all outages. The proxies stay. */
  reset(): Promise<void>;
  /** Returns the latest 10,000 log lines of the program. */
  log(): string[];
  /** Ends the program with all its connections, and waits for its end. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Settings of a fault beside its attributes. */
export interface FaultOptions {
  /** Direction of the data. Defaults to `downstream` (responses). The attribute `direction: "both"` selects both directions. */
  stream?: "downstream" | "upstream";
  /** Share of connections that the fault acts on, or of requests if it has the attribute `on`, from 0 to 1. Defaults to 1. */
  toxicity?: number;
  /** Defaults to `TYPE_STREAM`. Required for a second fault of one type and stream. */
  name?: string;
  /** Time after which the fault ends in any case, for example `30s`. Defaults to no limit. */
  ttl?: string;
}

/** A fault as the control API shows it. */
export interface FaultState {
  name: string;
  type: string;
  stream: "downstream" | "upstream";
  toxicity: number;
  /** Time limit in milliseconds, if the fault has one. */
  ttl?: number;
  attributes: Record<string, string | number | boolean>;
}

/** A proxy: it listens at `address` and forwards to its upstream. */
export class Proxy {
  private constructor();
  readonly name: string;
  /** Where clients connect, as `HOST:PORT`. */
  readonly address: string;
  /** Host of `address`, without the brackets of IPv6. */
  readonly host: string;
  /** Port of `address`. */
  readonly port: number;
  /** Where the proxy connects, as the API shows it. */
  readonly upstream: string;
  /**
   * Adds a fault, which acts on open connections too. It acts until it is removed, until the reset of its `FaultProxy`,
   * or until the end of a block that declares it by `await using`.
   * @param type type of fault, for example `latency`
   * @param attributes its parameters by their names in the control API, for example `{ mean: "300ms" }` or
   *   `{ on: "commit", times: 1 }`; `fault-proxy faults latency` lists them
   */
  fault(type: string, attributes?: Record<string, string | number | boolean>, options?: FaultOptions): Promise<Fault>;
  /** Closes all connections and refuses new ones, until the result is removed or the `FaultProxy` is reset. */
  down(): Promise<Fault>;
  /** Returns the faults that the proxy has now. */
  faults(): Promise<FaultState[]>;
  /** Closes all connections and removes the proxy. */
  remove(): Promise<void>;
}

/** A fault or an outage of a proxy. */
export class Fault {
  private constructor();
  readonly name: string;
  /** Removes the fault, which immediately forwards the data that it holds. Does nothing if it is gone. */
  remove(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The control API refused a request. The message is that of the API. */
export class ApiError extends Error {
  /** HTTP status, for example 404 for a proxy that does not exist. */
  readonly status: number;
}

/** The program could not be found or started, or has ended. */
export class ProgramError extends Error {}

/**
 * Returns the path of the program: the file that the environment variable FAULT_PROXY_BIN names, or the program of the
 * package for this platform, or the first one on PATH. Throws a `ProgramError` if none of them exists.
 */
export function findProgram(): string;
