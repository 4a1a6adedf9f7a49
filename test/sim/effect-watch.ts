/**
 * Watches effects: each attempt is checked at the instant it begins against the durable history, the store's rows and the
 * attempts before it. This is the log outside of the store that tells what engines really did.
 */
import type { LoadedRun, MessageRow, TaskKey } from "../../src/store/store.ts";
import type { StoreUser } from "./fault-store.ts";
import type { Oracle } from "./oracle.ts";
import { replayAll } from "./replay.ts";
import type { EventKeys, ShadowRun } from "./shadow.ts";
import type { World } from "./world.ts";

/** One attempt of an effect that began. */
interface EffectStart {
  readonly key: string;
  readonly at: number;
  readonly process: StoreUser;
  readonly lease: number | undefined;
  /** When the engine was given the task that this is, if it is one. */
  readonly taskSince: number | undefined;
}

/** How long an engine may hold a task that its run does not want any more: it learns that with its renewals. */
const WITHDRAWN_MS = 10_000;

/** Whether a message is the outcome of another command, or says only that an attempt of this one was lost. */
function isElsewhere({ kind, data }: MessageRow, command: number): boolean {
  if (kind !== "outcome") return false;
  const { c, e } = JSON.parse(data) as { c: number; e?: { code?: string } };
  return c !== command || e?.code === "ATTEMPT_LOST";
}

export class EffectWatch {
  readonly #world: World;
  readonly #oracle: Oracle;
  readonly #ahead: number;
  readonly #attempts = new Map<string, EffectStart>();
  readonly #begun = new Map<string, number>();
  effects = 0;

  /** `ahead`: how many signals of a name an engine takes before anybody asks for them. */
  constructor(world: World, oracle: Oracle, ahead: number) {
    this.#world = world;
    this.#oracle = oracle;
    this.#ahead = ahead;
  }

  /** How many attempts of an effect have begun. */
  begun(idempotencyKey: string): number {
    return this.#begun.get(idempotencyKey) ?? 0;
  }

  /** An attempt begins. */
  started(process: StoreUser, idempotencyKey: string, attempt: number): void {
    const { now } = this.#world;
    this.effects++;
    this.#oracle.lastActivity = now;
    this.#begun.set(idempotencyKey, this.begun(idempotencyKey) + 1);
    const [runId, ...rest] = idempotencyKey.split(":");
    const run = Number.parseInt(runId!.slice(runId!.lastIndexOf("-") + 1), 36);
    const key = rest.join(":");
    const what = `run ${run} effect ${key} attempt ${attempt} on ${process.name}`;
    this.#world.trace(`effect ${what}`);
    const shadow = this.#oracle.runs.get(run);
    if (shadow === undefined) {
      this.#fail("I1 cause", `${what}: its run is not in the store`);
      return;
    }
    this.#checkGeneration(shadow, key, what);
    const [command, generation = 0] = rest.map(Number) as [number, number?];
    const task = { run, command, generation, attempt };
    // Whoever has the task learns a little later that it is not wanted any more.
    const settledAt = shadow.settledAt(key) ?? Number.POSITIVE_INFINITY;
    if (settledAt < (this.#oracle.taskSince(process.lease, task) ?? now))
      this.#fail("I5 run again", `${what}: its outcome was in the history already`);
    this.#checkHeld(process, task, this.begun(idempotencyKey) > 1, what);
    this.#checkCause(shadow, key, what);
    const taskSince = this.#oracle.taskSince(process.lease, task);
    const start = { key, at: now, process, lease: process.lease, taskSince };
    this.#checkAttempt(shadow, `${idempotencyKey} ${attempt}`, start, what);
  }

  #checkGeneration(shadow: ShadowRun, key: string, what: string): void {
    const expected = shadow.keyOf(Number.parseInt(key, 10));
    if (expected !== key) this.#fail("I5 generation", `${what}: the key should end in ${expected}`);
  }

  /** I2, rule 20: whoever starts an effect owns the run at that instant, or the task that the attempt is. */
  #checkHeld({ name, lease }: StoreUser, key: TaskKey, repeated: boolean, what: string): void {
    if (this.#oracle.isGone(lease)) this.#fail("I2 effect fence", `${what}: lease ${lease} of ${name} has ended`);
    // Rule 23: what was begun before the run was claimed is not repeated before its inbox has been applied.
    const inbox = repeated ? this.#oracle.inboxAtClaim(key.run, lease) : 0;
    if (this.#oracle.taskSince(lease, key) !== undefined) return;
    // The memory store answers from this very instant, whenever the promise settles.
    this.#oracle.base.load([key.run], 0).then(
      ([loaded]) => this.#checkRow(loaded, { lease, inbox, command: key.command }, what),
      (error: unknown) => this.#fail("simulation", String(error)),
    );
  }

  #checkRow(
    loaded: LoadedRun | undefined,
    held: { lease: number | undefined; inbox: number; command: number },
    what: string,
  ): void {
    const owner = loaded?.row.owner;
    if (owner !== held.lease)
      this.#fail("I2 effect fence", `${what}: the run is ${owner ?? "nobody"}'s, not ${held.lease}'s`);
    const waiting = loaded?.messages.find(
      (message) => message.number <= held.inbox && !isElsewhere(message, held.command) && !this.mayBeLeft(message),
    );
    if (waiting !== undefined)
      this.#fail("I4 inbox first", `${what}: ${waiting.kind} ${waiting.number} was waiting when the run was claimed`);
  }

  /** Whether it is a signal of which the run has taken so many that the rest may wait. */
  mayBeLeft({ run, kind, name }: MessageRow): boolean {
    const taken = this.#oracle.runs
      .get(run)!
      .events.filter(({ type, data }) => type === "SignalReceived" && (JSON.parse(data) as EventKeys).n === name);
    return kind === "signal" && taken.length >= this.#ahead;
  }

  /** I1: the durable history alone makes the code ask for this effect. */
  #checkCause({ run, workflowId, events }: ShadowRun, key: string, what: string): void {
    const history = [...events];
    const { n: workflow } = JSON.parse(history[0]!.data) as EventKeys;
    const row = { run, workflowId, workflow: workflow!, version: null, createdAt: history[0]!.at };
    const [id, generation = "0"] = key.split(":");
    const check = async (): Promise<void> => {
      const [replayed] = await replayAll(this.#oracle.base.id, [{ row, history }]);
      // It may be over already by an event that is durable but not yet known to the engine; being asked for is enough.
      const command = replayed!.steps.get(Number(id));
      if (command === undefined)
        this.#fail("I1 cause", `${what}: the durable history of ${history.length} events does not ask for it`);
      else if (command.generation !== Number(generation))
        this.#fail("I5 generation", `${what}: replayed, it is of generation ${command.generation}`);
    };
    this.#world.after(0, undefined, () => {
      check().catch((error: unknown) => this.#fail("I1 cause", `${what}: ${String(error)}`));
    });
  }

  /** Rule 33: an attempt begins once, unless whoever ran it had to forget it. */
  #checkAttempt(shadow: ShadowRun, id: string, start: EffectStart, what: string): void {
    const earlier = this.#attempts.get(id);
    this.#attempts.set(id, start);
    if (earlier === undefined || this.#forgot(shadow, earlier)) return;
    const { at, process } = earlier;
    this.#fail("I5 attempt twice", `${what} began at ${at} on ${process.name} too, which had no reason to forget it`);
  }

  /** Whether the run ended, or its engine died, lost its lease or was left in doubt about a commit since then. */
  #forgot({ endedAt }: ShadowRun, { process, lease, at, taskSince }: EffectStart): boolean {
    const wantedUntil = taskSince === undefined ? endedAt : endedAt + WITHDRAWN_MS;
    return !process.alive || this.#oracle.isGone(lease) || Math.max(process.disturbedAt, wantedUntil) >= at;
  }

  #fail(check: string, message: string): void {
    this.#world.violate(check, message);
  }
}
