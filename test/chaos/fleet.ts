/** The processes of a chaos run: engines and clients, each in a place where the next one is started when one has ended. */
import { type ChildProcess, fork } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Exit code of an engine that found no database. */
const NOT_OPENED = 3;
const AGAIN_MS = 300;

/** Where processes of one kind are started. */
export interface PlaceOptions {
  /** `e1`, `c2`. Its processes are `e1.1`, `e1.2`, … */
  readonly name: string;
  readonly script: "engine-process.mjs" | "client-process.mjs";
  /** What a process is told. */
  readonly options: (incarnation: string) => object;
  /** Where what it says goes to. */
  readonly folder: string;
  readonly onMessage?: (message: Record<string, unknown>) => void;
  /** It ended though nobody ended it. */
  readonly onDeath: (what: string) => void;
}

export class Place {
  readonly name: string;
  readonly #of: PlaceOptions;
  #child: ChildProcess | undefined;
  #born = 0;
  #stopped = false;
  /** Somebody is ending the present process. */
  #ending = false;
  #ready = false;
  /** A fault is at work here. */
  busy = false;
  frozen = false;

  constructor(options: PlaceOptions) {
    this.#of = options;
    this.name = options.name;
  }

  get incarnation(): string {
    return `${this.name}.${this.#born}`;
  }

  get up(): boolean {
    return this.#ready && this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#child !== undefined || this.#stopped) return;
    this.#born++;
    this.#ending = false;
    this.#ready = false;
    const { incarnation } = this;
    const output = openSync(join(this.#of.folder, `${incarnation}.out`), "a");
    const script = fileURLToPath(new URL(`./${this.#of.script}`, import.meta.url));
    const child = fork(script, [JSON.stringify(this.#of.options(incarnation))], {
      stdio: ["ignore", output, output, "ipc"],
      execArgv: [],
    });
    this.#child = child;
    child.on("message", (message: Record<string, unknown>) => {
      if (message.ready === true) this.#ready = true;
      if (message.done === true) this.#stopped = true;
      this.#of.onMessage?.(message);
    });
    child.once("exit", (code, signal) => {
      this.#child = undefined;
      this.#ready = false;
      if (this.#ending || this.#stopped) return;
      if (code !== NOT_OPENED) this.#of.onDeath(`${incarnation} ended by itself (${signal ?? code})`);
      setTimeout(() => this.start(), AGAIN_MS);
    });
  }

  tell(message: object): void {
    this.#child?.send(message, () => {});
  }

  /** Ends the process without a word. Nothing is started in its place until {@link start}. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#ending = true;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    this.frozen = false;
  }

  /** Asks the process to leave. False when it had to be killed. */
  async leave(withinMs: number): Promise<boolean> {
    const child = this.#child;
    if (child === undefined) return true;
    this.#ending = true;
    const gone = new Promise<true>((resolve) => child.once("exit", () => resolve(true)));
    child.kill("SIGTERM");
    const left = await Promise.race([gone, pass(withinMs, false, { ref: false })]);
    if (!left) await this.kill();
    return left;
  }

  freeze(): void {
    this.frozen = this.#child?.kill("SIGSTOP") === true;
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
    this.frozen = false;
  }

  /** No more processes here; what lives goes on. */
  stop(): void {
    this.#stopped = true;
  }
}
