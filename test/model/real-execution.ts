/** A program and a script in the engine, on any store, on a clock that is moved. */
import { launch } from "../../src/client/launch.ts";
import { engineSettings, type OpenOptions, registryOf } from "../../src/client/open-options.ts";
import type { Perdure } from "../../src/client/perdure.ts";
import { replayRuns } from "../../src/client/replays.ts";
import type { RunHandle } from "../../src/client/run-handle.ts";
import { isPerdureError } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/engine/log.ts";
import { Registry } from "../../src/engine/registry.ts";
import { retentionRules } from "../../src/engine/retention-rules.ts";
import { createSealer } from "../../src/store/sealing.ts";
import type { Store } from "../../src/store/store.ts";
import { vanishing } from "../engine/fixture.ts";
import { AttentiveClock } from "./attentive-clock.ts";
import { BUMP, errorWord, POKE, type RootInput, STATE } from "./interpreter.ts";
import { type Observation, RELEASES } from "./observation.ts";
import { type RootProgram, waitsIn } from "./program.ts";
import { ROOT, WORKFLOWS, type WorkPlace } from "./real-words.ts";
import type { Action, Move } from "./script.ts";

const SLICE_MS = 15_000;
const TOO_LONG_MS = 3_600_000;

interface Opened {
  readonly engine: Perdure;
  vanish(): void;
}

class Execution implements WorkPlace {
  readonly #store: Store;
  readonly #clock = new AttentiveClock();
  readonly #engines: Opened[] = [];
  readonly #begun: string[] = [];
  /** Idempotency key by work, whatever the attempt. */
  readonly #keys = new Map<string, string>();
  /** Inputs of updates, by their place in the script. */
  readonly #asked = new Map<number, number>();
  readonly #answers: Record<string, unknown> = {};

  constructor(store: Store) {
    this.#store = this.#clock.watched(store);
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }

  began(what: string, key: string): void {
    this.#begun.push(`${this.#clock.now()} ${what}`);
    const work = what.slice(0, what.lastIndexOf("#"));
    const known = this.#keys.get(work) ?? key;
    if (known !== key) throw new Error(`${work} has two idempotency keys: ${known} and ${key}`);
    this.#keys.set(work, key);
  }

  async #open(): Promise<void> {
    const { store, vanish } = vanishing(this.#store);
    const engine = await this.#launched(
      { clock: this.#clock, logger: silentLogger, workflows: WORKFLOWS, deps: this },
      store,
    );
    this.#engines.push({ engine, vanish });
  }

  /** What `open` does, with engines that take few messages at a time, so that short programs have backlogs. */
  #launched(options: OpenOptions, store: Store): Promise<Perdure> {
    const sealer = createSealer(store);
    const settings = engineSettings(options, { registry: registryOf(options), sealer });
    const config = { ...settings, store, ahead: 1 };
    return launch(options, { config, rules: retentionRules([], undefined), sealer, ownsStore: false });
  }

  get #engine(): Perdure {
    return this.#engines.at(-1)!.engine;
  }

  #handle(): Promise<RunHandle> {
    return this.#engine.handle("root");
  }

  async run(program: RootProgram, script: readonly Move[], lastsMs: number | undefined): Promise<Observation> {
    await this.#open();
    const input: RootInput = { program, at: 0, pokes: [], bumps: 0, results: [] };
    await this.#engine.start(ROOT, input, { id: "root" });
    await this.#clock.settle();
    for (const [index, { afterMs, action }] of script.entries()) {
      await this.#clock.advance(afterMs);
      await this.#do(action, index);
      await this.#clock.settle();
    }
    if (lastsMs === undefined) await this.#release(program);
    else await this.#clock.advance(lastsMs + SLICE_MS);
    const observed = await this.#observe();
    await this.#replay();
    for (const { engine } of this.#engines) await this.#close(engine);
    return observed;
  }

  async #do(action: Action, index: number): Promise<void> {
    const handle = await this.#handle();
    const answers = this.#answers;
    switch (action.do) {
      case "signal":
        answers[index] = await word(handle.signal(action.name, index), () => "told");
        return;
      case "poke":
        answers[index] = await word(handle.signal(POKE, index), () => "told");
        return;
      case "update":
        this.#update(handle, action.negative ? -1 - index : index, index);
        return;
      case "query":
        answers[index] = await handle.query(STATE);
        return;
      case "cancel":
        await word(handle.cancel("enough"), () => "");
        return;
      case "terminate":
        await word(handle.terminate("enough"), () => "");
        return;
      case "pause":
      case "resume":
        await this.#pauseOrResume(handle, action.do);
        return;
      case "join":
        await this.#open();
        return;
      case "reopen":
        await this.#close(this.#engines.pop()!.engine);
        if (this.#engines.length === 0) await this.#open();
        return;
      case "crash":
        this.#engines.pop()!.vanish();
        if (this.#engines.length === 0) await this.#open();
        await this.#askAgain();
    }
  }

  #update(handle: RunHandle, input: number, index: number): void {
    this.#answers[index] = "pending";
    this.#asked.set(index, input);
    const answer = handle.update(BUMP, input, { id: `u${index}` });
    void word(answer, (value) => `answered: ${String(value)}`).then((said) => {
      this.#answers[index] = said;
    });
  }

  /** Who asked through an engine that vanished asks again, under the same id. */
  async #askAgain(): Promise<void> {
    const handle = await this.#handle();
    for (const [index, input] of this.#asked)
      if (this.#answers[index] === "pending") this.#update(handle, input, index);
  }

  async #pauseOrResume(handle: RunHandle, what: "pause" | "resume"): Promise<void> {
    if (what === "resume" && (await handle.status()) !== "paused") return;
    await word(handle[what](), () => "");
  }

  /** Closing may wait for time to pass. */
  async #close(engine: Perdure): Promise<void> {
    let closed = false;
    const closing = engine.close().finally(() => {
      closed = true;
    });
    await this.#clock.settle();
    for (let tries = 0; !closed && tries < 100; tries++) await this.#clock.advance(200);
    await closing;
  }

  /** Lets a patient run end: sends what it may wait for, and resumes it when it stands still. */
  async #release(program: RootProgram): Promise<void> {
    const handle = await this.#handle();
    for (const name of RELEASES) for (let n = 0; n < waitsIn(program) + 3; n++) await handle.signal(name, 1000 + n);
    await handle.signal("end");
    const until = this.#clock.now() + TOO_LONG_MS;
    while (await this.#isBusy()) {
      const status = await handle.status();
      if (status === "paused") await word(handle.resume(), () => "");
      if (status === "blocked" || this.#clock.now() > until)
        throw new Error(`root does not end: ${JSON.stringify(await handle.describe())}`);
      await this.#clock.advance(SLICE_MS);
    }
  }

  async #isBusy(): Promise<boolean> {
    const rows = await this.#store.list({ limit: 1000 });
    return rows.some(({ closedAt }) => closedAt === null);
  }

  async #observe(): Promise<Observation> {
    const handle = await this.#handle();
    const { status, tags } = await handle.describe();
    const closed = status !== "running" && status !== "paused" && status !== "blocked" && status !== "pending";
    const outcome = closed ? await handle.result().catch(endWord) : undefined;
    await this.#clock.settle();
    const rows = await this.#store.list({ limit: 1000 });
    const all = rows.filter((row) => row.status !== "continued_as_new").map((row) => [row.workflowId, row.status]);
    if (new Set(all.map(([id]) => id)).size < all.length)
      throw new Error(`a child exists twice: ${JSON.stringify(all)}`);
    return { status, outcome, begun: this.#begun, answers: this.#answers, runs: Object.fromEntries(all), tags };
  }

  /** Fresh code and every history agree. */
  async #replay(): Promise<void> {
    const registry = new Registry(WORKFLOWS, []);
    const find = async ({ workflow }: { workflow: string }) => ({
      definition: WORKFLOWS.find(({ name }) => name === workflow)!,
      registry,
    });
    for await (const { workflowId, result, blockage } of replayRuns(this.#store, find, { status: "all" }))
      if (result !== "same") throw new Error(`${workflowId} does not replay: ${blockage?.message}`);
  }
}

/** What a promise comes to, in a word. Closed runs turn callers away. */
function word<T>(promise: Promise<T>, told: (value: T) => string): Promise<string> {
  return promise.then(told, (error: unknown) => {
    if (isPerdureError(error, "UPDATE_FAILED")) return `failed: ${errorWord(error.cause)}`;
    return errorWord(error);
  });
}

function endWord(error: unknown): string {
  if (isPerdureError(error, "RUN_FAILED")) return errorWord(error.cause);
  return isPerdureError(error, "RUN_CANCELLED") ? "cancelled" : errorWord(error);
}

/** @param lastsMs how long to go on; undefined for a patient program: until everything has ended. */
export function observed(
  store: Store,
  program: RootProgram,
  script: readonly Move[],
  lastsMs: number | undefined,
): Promise<Observation> {
  return new Execution(store).run(program, script, lastsMs);
}
