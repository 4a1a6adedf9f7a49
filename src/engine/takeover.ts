/**
 * Taking over runs: from rows in the store to an actor that replays and goes on.
 *
 * Owner: the engine. Rule 18: a run that crashed engines before starts alone, one at a time, and after five crashes not at all.
 * Rule 29: a run that was closed and is claimed again is to be resumed; `Resumed` is appended before it is replayed. A run with a
 * request to go back in its history does that first.
 */
import { isPerdureError } from "../core/errors.ts";
import { newEvent } from "../core/events.ts";
import type { Command } from "../core/machine.ts";
import { endsClosed, pivotOf, planReplay, type ReplayPlan, setAside } from "../core/resume.ts";
import type { EventRow, Lease, LoadedRun, RunRow, Store, Transition } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { acceptedAnew, leftUnanswered } from "./answers.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { Committer } from "./committer.ts";
import { parkedAt } from "./parked.ts";
import type { Registry } from "./registry.ts";
import { Replica, type ReplicaParts } from "./replica.ts";
import { type ResetRequest, resetOf, resetRequest } from "./reset.ts";
import { standingAfter } from "./rewind.ts";
import type { RunActor } from "./run-actor.ts";
import type { RunFacts } from "./run-facts.ts";
import type { Secrets } from "./secrets.ts";
import { stoppedChildren } from "./stopped-children.ts";
import type { Turns } from "./turns.ts";

/** What taking over needs from the engine. */
export interface TakeoverHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly turns: Turns;
  readonly committer: Committer;
  readonly registry: Registry;
  unseal(text: string): string;
  lease(): Lease | undefined;
  /** Makes the engine look for runs to claim. */
  hint(): void;
  advances(run: number): boolean;
  readonly replicas: ReplicaParts;
  facts(row: RunRow, secrets: Secrets, deadline: number | undefined): RunFacts;
  /** Makes an actor without putting it anywhere. */
  actor(facts: RunFacts, definition: AnyWorkflow, generation: (command: number) => number): RunActor;
  /** Puts an actor among the active ones. */
  activate(actor: RunActor): void;
}

/** A run that can be replayed. */
interface Ready {
  readonly plan: ReplayPlan;
  readonly loaded: LoadedRun;
}

/** Events loaded at once for one run; longer histories are read page by page. */
export const HISTORY_PAGE = 10_000;
const CRASH_LOOP = 5;
const SUSPECT = 2;
/** A suspect that has lived this long makes room for the next, so that one long step does not hold up all others. */
const TRIAL_MS = 2000;
/** Time before a run that could not be taken over is asked for again: it grows from the first to the last. */
const FIRST_REST_MS = 1000;
const LAST_REST_MS = 60_000;
const MAX_FAILURES = 10_000;

export class Takeover {
  readonly #host: TakeoverHost;
  #suspects: LoadedRun[] = [];
  #suspect: number | undefined;
  #trial: CancelTimer | undefined;
  /** Runs that could not be taken over, and how often in a row. */
  readonly #failures = new Map<number, number>();
  #unreadableUntil = Number.NEGATIVE_INFINITY;

  constructor(host: TakeoverHost) {
    this.#host = host;
  }

  /** Takes a loaded run over, or puts it behind the suspect that is being tried. */
  async take(loaded: LoadedRun): Promise<void> {
    const { row } = loaded;
    if (this.#host.advances(row.run) || row.owner !== this.#host.lease()?.engine) return;
    if (row.crashes >= SUSPECT) {
      if (this.#suspect !== undefined && this.#suspect !== row.run) {
        if (!this.waits(row.run)) this.#suspects.push(loaded);
        return;
      }
      this.#suspect = row.run;
      this.#trial?.();
      this.#trial = this.#host.clock.after(TRIAL_MS, () => this.done(row.run));
    }
    try {
      await this.#replay(loaded);
      this.#failures.delete(row.run);
    } catch (error) {
      if (isPerdureError(error, "UNAVAILABLE") || isPerdureError(error, "LEASE_LOST")) throw error;
      await this.#giveBack(loaded, error as Error);
    }
  }

  /**
   * Something keeps this engine from going on with a run, which may not be so in others: it lets go of the run, which is tried again later
   * and less and less often. When it is the key for secrets that is missing here, others may have the run at once.
   */
  async #giveBack(loaded: LoadedRun, error: Error): Promise<void> {
    const { run, crashes, workflowId } = loaded.row;
    const unreadable = isPerdureError(error, "INCOMPATIBLE_STORE");
    const restMs = unreadable ? LAST_REST_MS : this.#restAfter(run);
    if (unreadable) this.#unreadableUntil = this.#host.clock.monotonic() + restMs;
    this.#host.log.error(
      { run, workflowId, error: String(error) },
      `the run cannot go on in this engine and is left to others, the next try is in ${restMs / 1000} s: ${error.message}`,
    );
    const none = { events: [], consumed: [], attempts: [], settled: [] } as const;
    const wakeAt = this.#host.clock.now() + (unreadable ? 0 : restMs);
    const free = { status: "running", owned: false, wakeAt, closedAt: null } as const;
    const base = (await this.#history(loaded)).length;
    const { kept } = parkedAt(loaded.row, base);
    const detail = Object.keys(kept).length === 0 ? null : JSON.stringify(kept);
    const image = { ...free, crashes, detail, ifInbox: null, forget: false };
    await this.#append({ run, base, ...none, image });
    this.done(run);
  }

  #restAfter(run: number): number {
    const failures = (this.#failures.get(run) ?? 0) + 1;
    if (this.#failures.size >= MAX_FAILURES) this.#failures.clear();
    this.#failures.set(run, failures);
    return Math.min(FIRST_REST_MS * 2 ** (failures - 1), LAST_REST_MS);
  }

  /** Whether runs with secrets may be claimed: not for a while after some could not be read. */
  get sealed(): boolean {
    return this.#host.clock.monotonic() >= this.#unreadableUntil;
  }

  /** How many suspects may be claimed: none while one is tried. What is not claimed does not count the next crash. */
  get suspects(): { readonly from: number; readonly limit: number } {
    return { from: SUSPECT, limit: this.#suspect === undefined ? 1 : 0 };
  }

  /** Whether the run waits for another suspect. */
  waits(run: number): boolean {
    return this.#suspects.some((loaded) => loaded.row.run === run);
  }

  /** The run made progress, parked or ended: the next suspect may start. */
  done(run: number): void {
    if (this.#suspect !== run) return;
    this.#suspect = undefined;
    this.#trial?.();
    const next = this.#suspects.shift();
    if (next === undefined) {
      this.#host.hint();
      return;
    }
    this.take(next).catch((error: unknown) =>
      this.#host.log.error({ error: String(error) }, "taking over a suspect run failed"),
    );
  }

  /** Forgets everything: the lease is gone. */
  clear(): void {
    this.#suspects = [];
    this.#suspect = undefined;
    this.#trial?.();
  }

  async #replay(loaded: LoadedRun): Promise<void> {
    const { row } = loaded;
    const host = this.#host;
    const lease = host.lease();
    const history = await this.#history(loaded);
    const definition = await this.#definition(row);
    const secrets = loaded.secrets === null ? {} : (JSON.parse(host.unseal(loaded.secrets)) as Secrets);
    const ready = await this.#ready(loaded, history, definition, secrets);
    if (ready === undefined || lease === undefined || lease !== host.lease() || host.advances(row.run)) return;
    const { plan, loaded: left } = ready;
    const facts = host.facts(row, secrets, deadlineIn(history, plan));
    const actor = host.actor(facts, definition ?? NO_WORKFLOW, plan.generation);
    host.activate(actor);
    if (definition === undefined) actor.machine.block({ reason: "unknown_workflow", message: unknownVersion(row) });
    if (row.crashes >= CRASH_LOOP) actor.machine.block({ reason: "crash_loop", message: crashLoop(row) });
    const { attempts, messages, unanswered, outcomes } = left;
    // What was set aside has left its children to themselves: they were told to stop, and are no command's any more.
    const children = left.children.filter(({ command, generation }) => generation === plan.generation(command));
    const { inbox, crashes } = left.row;
    const { check, open, kept } = parkedAt(left.row, history.length);
    const length = history.length;
    actor.replay(plan.rows, {
      length,
      attempts,
      messages,
      inbox,
      check,
      open,
      kept,
      crashes,
      children,
      unanswered,
      outcomes,
    });
  }

  /** What to replay, and the run as it is then: a reset that was asked for is carried out, a run that had ended is resumed. */
  async #ready(
    loaded: LoadedRun,
    history: EventRow[],
    definition: AnyWorkflow | undefined,
    secrets: Secrets,
  ): Promise<Ready | undefined> {
    const { row } = loaded;
    const request = resetRequest(row);
    if (request !== undefined && definition !== undefined) return this.#reset(loaded, history, request);
    const plan = planReplay(history);
    if (!endsClosed(history) || definition === undefined) return { plan, loaded };
    return this.#resume(loaded, history, plan, definition, secrets);
  }

  /** Undefined when the run is to stand still after that. Code that disagrees with the history blocks the run as it is. */
  async #reset(loaded: LoadedRun, history: EventRow[], request: ResetRequest): Promise<Ready | undefined> {
    const before = planReplay(history);
    const kept = before.rows.filter(({ seq }) => seq < request.seq);
    const { commands, open, blockage } = await standingAfter(this.#host, loaded.row, before, kept);
    if (blockage !== undefined) return { plan: before, loaded };
    const ended = endsClosed(history);
    const anew = ended ? await this.#stopped(loaded.row, open) : [];
    const owed = ended ? await leftUnanswered(this.#host.store, loaded.row.run, kept) : [];
    const standing = { commands, anew, owed };
    const { transition, loaded: after, plan } = resetOf(loaded, history, standing, request, this.#host.clock.now());
    if (!(await this.#append(transition)) || transition.image?.owned !== true) return undefined;
    history.push(...transition.events);
    return { plan, loaded: after };
  }

  #stopped(row: RunRow, open: readonly Command<CommandSpec>[]): Promise<number[]> {
    return stoppedChildren(this.#host.store, this.#host.facts(row, {}, undefined), open, []);
  }

  async #definition(row: RunRow): Promise<AnyWorkflow | undefined> {
    try {
      return await this.#host.registry.pinned(row.workflow, row.version, this.#host.store);
    } catch (error) {
      this.#host.log.error(
        { workflow: row.workflow, error: String(error) },
        "a stored definition cannot be used any more",
      );
      return undefined;
    }
  }

  async #history(loaded: LoadedRun): Promise<EventRow[]> {
    const history = [...loaded.events];
    while (history.length > 0 && history.length % HISTORY_PAGE === 0) {
      const page = await this.#host.store.history(loaded.row.run, history.length, HISTORY_PAGE);
      if (page.length === 0) break;
      for (const event of page) history.push(event);
    }
    return history;
  }

  /** Appends `Resumed` to the history of a run that had ended. Undefined when that was not possible. */
  async #resume(
    loaded: LoadedRun,
    history: EventRow[],
    plan: ReplayPlan,
    definition: AnyWorkflow,
    secrets: Secrets,
  ): Promise<Ready | undefined> {
    const { row } = loaded;
    const pivot = pivotOf(plan.rows);
    const facts = this.#host.facts(row, secrets, undefined);
    const { commands, open } = await this.#before(plan, pivot, facts, definition);
    const aside = setAside(plan.rows, pivot, commands);
    const later = plan.rows.filter(({ seq }) => seq > (pivot ?? seq));
    const anew = await stoppedChildren(this.#host.store, facts, open, later);
    const at = Math.max(this.#host.clock.now(), history.at(-1)!.at);
    const { type, body } = newEvent.resumed(at, aside, commands, { anew });
    const event: EventRow = { type, at, data: `{${body}}` };
    const none = { consumed: [], attempts: [], settled: [], image: null } as const;
    const owed = await leftUnanswered(this.#host.store, row.run, plan.rows);
    const also = owed.length === 0 ? {} : { also: { answers: acceptedAnew(owed, at) } };
    if (!(await this.#append({ run: row.run, base: history.length, events: [event], ...none, ...also })))
      return undefined;
    history.push(event);
    return { plan: planReplay(history), loaded: { ...loaded, unanswered: [...loaded.unanswered, ...owed] } };
  }

  /** The commands the code had issued when the pivot was applied, and those then open: found by replaying up to it. */
  async #before(
    plan: ReplayPlan,
    pivot: number | undefined,
    facts: RunFacts,
    definition: AnyWorkflow,
  ): Promise<{ readonly commands: number; readonly open: readonly Command<CommandSpec>[] }> {
    const rows = pivot === undefined ? plan.rows.slice(0, -1) : plan.rows.filter((event) => event.seq < pivot);
    const replica = new Replica(this.#host.replicas, facts, definition, plan);
    await replica.apply(rows);
    const { commands } = replica.machine;
    const open = [...replica.machine.open.values()];
    replica.end();
    return { commands, open };
  }

  #append(transition: Transition): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let taken = false;
      this.#host.committer.ready({
        takeTransition: () => {
          if (taken) return undefined;
          taken = true;
          return transition;
        },
        committed: () => resolve(true),
        refused: () => resolve(false),
        choked: reject,
        doubtful: () => resolve(false),
      });
    });
  }
}

/** Stands in for a definition nobody has; its run is blocked before it is called. */
const NO_WORKFLOW = { name: "", version: undefined, run: async () => undefined } as unknown as AnyWorkflow;

function unknownVersion(row: RunRow): string {
  return `the run needs ${row.workflow}@${row.version ?? "unversioned"}, and this engine has another version; deploy that version again and resume the run`;
}

function crashLoop(row: RunRow): string {
  return `engines died ${row.crashes} times while they advanced this run, without progress in between; find the cause (out of memory, native crash, process.exit) and resume the run`;
}

/** The deadline in force: a resume gives the run its whole time again. */
function deadlineIn(history: readonly EventRow[], plan: ReplayPlan): number | undefined {
  const first = history[0];
  if (first === undefined) return undefined;
  const { t } = JSON.parse(first.data) as { t?: number };
  if (t === undefined) return undefined;
  const resumed = plan.rows.findLast((row) => row.type === "Resumed");
  return resumed === undefined ? t : resumed.at + (t - first.at);
}
