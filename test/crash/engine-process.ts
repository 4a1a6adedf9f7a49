/** The parent's end of engine-process.mjs: starts the process, talks to it, stops it in every way there is. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Effect } from "./effect-log.ts";

/** What an engine process is started with. */
export interface ProcessOptions {
  /** Path of the SQLite file. */
  readonly store: string;
  /** Path of the effect log. */
  readonly effects: string;
  /** Name of this incarnation, never used again. */
  readonly incarnation: string;
  readonly leaseTtl?: string;
  readonly poll?: string;
  readonly poison?: "at once" | "late" | "fixed";
  /** Another program than engine-process.mjs, and what only that one knows. */
  readonly script?: string;
  readonly engine?: object;
  /** Options of Node itself. */
  readonly node?: readonly string[];
}

interface Answer {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** An error the process answered with. */
export class Answered extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The process ended before it answered. */
export class Gone extends Error {}

const SCRIPT = fileURLToPath(new URL("./engine-process.mjs", import.meta.url));
const living = new Set<EngineProcess>();

/** Kills every process that is still there, frozen ones too. */
export async function killAll(): Promise<void> {
  await Promise.all([...living].map((child) => child.kill()));
}

/** A process with one engine. */
export class EngineProcess {
  readonly options: ProcessOptions;
  readonly effects: Effect[] = [];
  readonly log: string[] = [];
  /** Everything written to standard output and standard error. */
  output = "";
  /** The engine is open. Rejects if the process ends before that. */
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, Answer>();
  readonly #watchers = new Set<() => void>();
  #next = 1;
  #open = false;
  #gone = false;

  constructor(options: ProcessOptions) {
    this.options = options;
    const { node = [], script = SCRIPT, ...rest } = options;
    const execArgv = [...process.execArgv, ...node];
    this.#child = fork(script, [JSON.stringify(rest)], { execArgv, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    living.add(this);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.ready = this.until(() => (this.#open ? true : undefined)).then(() => undefined);
    this.ready.catch(() => {});
    this.exited = new Promise((resolve) => {
      this.#child.on("close", () => {
        this.#gone = true;
        living.delete(this);
        for (const { reject } of this.#answers.values()) reject(this.#goneError());
        for (const look of [...this.#watchers]) look();
        resolve();
      });
    });
    this.#child.on("message", (message: Record<string, never>) => {
      if ("ready" in message) this.#open = true;
      this.#receive(message);
    });
  }

  get gone(): boolean {
    return this.#gone;
  }

  #goneError(): Gone {
    return new Gone(`${this.options.incarnation} ended\n${this.transcript()}`);
  }

  #receive(message: Record<string, unknown>): void {
    const { id, value, error, effect, log } = message as {
      id?: number;
      value?: unknown;
      error?: { code: string; message: string };
      effect?: Effect;
      log?: { text: string };
    };
    if (effect !== undefined) this.effects.push(effect);
    if (log !== undefined) this.log.push(log.text);
    if (id !== undefined) {
      const answer = this.#answers.get(id);
      this.#answers.delete(id);
      if (error === undefined) answer?.resolve(value);
      else answer?.reject(new Answered(error.code, error.message));
    }
    for (const look of [...this.#watchers]) look();
  }

  /** Asks the process to do something. @throws Answered when it failed, Gone when the process ended. */
  ask<T = void>(op: string, ...args: unknown[]): Promise<T> {
    if (this.#gone) return Promise.reject(this.#goneError());
    return new Promise<T>((resolve, reject) => {
      const id = this.#next++;
      this.#answers.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#child.send({ id, op, args }, () => {});
    });
  }

  /** Resolves once `found` answers something, looking again at every message. @throws Gone when the process ended. */
  until<T>(found: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const value = found();
        if (value === undefined && !this.#gone) return;
        this.#watchers.delete(look);
        if (value === undefined) reject(this.#goneError());
        else resolve(value);
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** The first effect that fits, past or to come. */
  effect(fits: (effect: Effect) => boolean): Promise<Effect> {
    return this.until(() => this.effects.find(fits));
  }

  /** The first line of the log that contains `text`, past or to come. */
  logged(text: string): Promise<string> {
    return this.until(() => this.log.find((line) => line.includes(text)));
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  /** Closes the engine and waits for the process to end by itself. @throws Gone when it did not end well. */
  async leave(): Promise<void> {
    await this.ask("leave").catch((error: unknown) => {
      if (!(error instanceof Gone)) throw error;
    });
    await this.exited;
    if (this.#child.exitCode !== 0) throw this.#goneError();
  }

  /** What it said, for failure messages. */
  transcript(): string {
    return [...this.log.slice(-30), this.output].join("\n");
  }
}
