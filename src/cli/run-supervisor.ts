/**
 * Advances one run in this process and shows it, until it ends, gets stuck, or is left.
 *
 * The engine serves the whole store: it may also advance other runs of the same workflow, and another process may advance this
 * one. So what is shown comes from live events and, for whatever happens elsewhere, from looking at the store.
 */
import { open } from "../client/open.ts";
import type { Perdure } from "../client/perdure.ts";
import type { RunHandle } from "../client/run-handle.ts";
import { isPerdureError } from "../core/errors.ts";
import type { RunEvent } from "../engine/observers.ts";
import type { Logger } from "../workflow/logger.ts";
import { EXIT, type Invocation } from "./command.ts";
import type { PerdureConfig } from "./config.ts";
import { type RunDisplay, runDisplay, shellWord } from "./progress/run-display.ts";
import { endingOf, exitCodeOf, printEnding, type RunEnding } from "./run-ending.ts";
import type { Runnable } from "./runnable.ts";

/** What to advance, and how to get at it. */
export interface Supervision {
  readonly invocation: Invocation;
  readonly runnable: Runnable;
  /** Address of the store. */
  readonly store: string;
  readonly durability?: "full" | "relaxed";
  /** Limits of queues. */
  readonly queues: PerdureConfig["queues"];
  /** Starts or finds the run. */
  obtain(engine: Perdure): Promise<RunHandle>;
}

/** Runs it to its end. Returns the exit code. */
export async function superviseRun(supervision: Supervision): Promise<number> {
  const { invocation, runnable, store, durability, queues = {}, obtain } = supervision;
  const { terminal, json } = invocation;
  const display = runDisplay(terminal, json, runnable.definition);
  const watcher = new Watcher(display);
  const interrupts = new Interrupts();
  terminal.onClosed(() => interrupts.leave(EXIT_PIPE));
  const engine = await open({
    claims: "own",
    store,
    durability: durability ?? "full",
    queues,
    workflows: runnable.workflows,
    activities: runnable.activities,
    ...(runnable.serves !== undefined && { serves: runnable.serves }),
    observers: [watcher],
    logger: displayLogger(display),
  });
  try {
    const handle = await obtain(engine);
    await watcher.follow(handle);
    display.open({ workflow: runnable.workflow.name, workflowId: handle.workflowId, runId: handle.runId });
    watcher.begin();
    const ending = await watched(handle, display, watcher, interrupts);
    display.close();
    if (ending === undefined) return await left(handle, interrupts, invocation);
    printEnding(ending, terminal, json);
    return exitCodeOf(ending);
  } finally {
    watcher.stop();
    interrupts.stop();
    display.close();
    await engine.close();
  }
}

/** The ending, or undefined when the run was left. */
async function watched(
  handle: RunHandle,
  display: RunDisplay,
  watcher: Watcher,
  interrupts: Interrupts,
): Promise<RunEnding | undefined> {
  interrupts.onFirst(() => cancel(handle, display));
  const done = handle.result().then(
    () => true,
    (error: unknown) => {
      if (isPerdureError(error) && error.details.runId !== undefined) return true;
      throw error;
    },
  );
  const ended = await Promise.race([done, interrupts.left.then(() => false)]);
  if (!ended) return undefined;
  watcher.stop();
  await watcher.look();
  return endingOf(handle);
}

async function cancel(handle: RunHandle, display: RunDisplay): Promise<void> {
  display.say(`cancelling ${handle.workflowId}; ctrl-C again leaves it`);
  try {
    await handle.cancel("ctrl-C");
  } catch (error) {
    if (!isPerdureError(error, "RUN_CLOSED")) display.say(`cancelling failed: ${(error as Error).message}`);
  }
}

async function left(handle: RunHandle, interrupts: Interrupts, { terminal, json }: Invocation): Promise<number> {
  const { status, workflowId, runId } = await handle.describe();
  const command = `perdure runs resume ${shellWord(workflowId)}`;
  if (json) terminal.line(JSON.stringify({ status, workflowId, runId, left: true, resume: command }));
  else {
    const { bold, dim } = terminal.styles;
    const cancelled = interrupts.cancelled ? "; it was asked to stop, and will when it goes on" : "";
    terminal.line(`\n${bold("left")} ${dim(`after its last finished step${cancelled}`)}\n${dim("go on")}   ${command}`);
  }
  return interrupts.exitCode;
}

/**
 * Keeps the display up to date. Live events that come while the history is being read wait for it: the history may take
 * outcomes back (a resume does), and what is newer comes after.
 */
class Watcher {
  readonly #display: RunDisplay;
  #handle: RunHandle | undefined;
  #held: RunEvent[] = [];
  #holding = true;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  /** When this process last heard of the run from its own engine. */
  #heardAt = 0;
  #stopped = false;

  constructor(display: RunDisplay) {
    this.#display = display;
  }

  onEvent(event: RunEvent): void {
    if (this.#holding) this.#held.push(event);
    else this.#heard(event);
  }

  #heard(event: RunEvent): void {
    if (event.runId !== this.#handle?.runId) return;
    this.#heardAt = event.type === "run.parked" ? 0 : Date.now();
    this.#display.progress.apply(event);
    if (event.type !== "run.recovered") return;
    this.#holding = true;
    this.look().then(
      () => this.begin(),
      () => this.begin(),
    );
  }

  /** Reads what happened before. */
  async follow(handle: RunHandle): Promise<void> {
    this.#handle = handle;
    await this.look();
    this.#lookLater();
  }

  /** Tells what was held back, and from now on everything at once. */
  begin(): void {
    this.#holding = false;
    const held = this.#held;
    this.#held = [];
    for (const [i, event] of held.entries()) {
      this.#heard(event);
      if (!this.#holding) continue;
      this.#held.unshift(...held.slice(i + 1));
      return;
    }
  }

  #lookLater(): void {
    this.#timer = setTimeout(
      () => {
        this.look().then(
          () => !this.#stopped && this.#lookLater(),
          () => !this.#stopped && this.#lookLater(),
        );
      },
      this.#heardAt === 0 ? LOOK_MS : LOOK_WHEN_LIVE_MS,
    );
  }

  /** Reads what is durable; looks never overlap. */
  look(): Promise<void> {
    this.#looking = this.#looking.catch(() => {}).then(() => this.#look());
    return this.#looking;
  }

  async #look(): Promise<void> {
    const handle = this.#handle;
    if (handle === undefined) return;
    const { progress } = this.#display;
    for await (const event of handle.events({ after: progress.seq })) progress.applyHistory(event);
    const elsewhere = Date.now() - this.#heardAt > QUIET_MS;
    if (elsewhere || this.#stopped) progress.applyDescription(await handle.describe());
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}

const LOOK_MS = 400;
const LOOK_WHEN_LIVE_MS = 3000;
const QUIET_MS = 2500;

/** What the keyboard and the system ask for: ctrl-C cancels, again leaves; ctrl-\, TERM, HUP and a closed pipe leave at once. */
class Interrupts {
  readonly left: Promise<void>;
  exitCode: number = EXIT.interrupted;
  cancelled = false;
  #resolve!: () => void;
  #first: (() => Promise<void>) | undefined;
  readonly #handlers: readonly (readonly [NodeJS.Signals, () => void])[];

  constructor() {
    this.left = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#handlers = [
      ["SIGINT", () => this.#interrupted()],
      ["SIGQUIT", () => this.leave(EXIT.interrupted)],
      ["SIGTERM", () => this.leave(EXIT_TERM)],
      ["SIGHUP", () => this.leave(EXIT_HUP)],
    ];
    for (const [name, handler] of this.#handlers) process.on(name, handler);
  }

  onFirst(first: () => Promise<void>): void {
    this.#first = first;
  }

  #interrupted(): void {
    if (this.cancelled || this.#first === undefined) {
      this.leave(EXIT.interrupted);
      return;
    }
    this.cancelled = true;
    void this.#first();
  }

  /** Ends the watching; the run stays open. */
  leave(exitCode: number): void {
    this.exitCode = exitCode;
    this.#resolve();
  }

  stop(): void {
    for (const [name, handler] of this.#handlers) process.removeListener(name, handler);
  }
}

const EXIT_PIPE = 141;
const EXIT_TERM = 143;
const EXIT_HUP = 129;

/** What the engine says about steps is in the display already; the rest is told beside it. */
function displayLogger(display: RunDisplay): Logger {
  const tell = (fields: object, message?: string): void => {
    if ("step" in fields || "reason" in fields || message === undefined) return;
    display.say(`perdure: ${message}`);
  };
  return { debug: () => {}, info: () => {}, warn: tell, error: tell };
}
