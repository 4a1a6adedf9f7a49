/**
 * The children of one run: starting them, what they answered, telling them to stop.
 *
 * Owner: the run's actor. A start is unique on (run, command, generation), so it is repeated without harm after a crash (rule 27); a
 * spawned child is told to the code by an event, one that is only waited for has no event but its outcome.
 */
import { isPerdureError } from "../core/errors.ts";
import { type NewEvent, newEvent } from "../core/events.ts";
import { type Failure, toFailure } from "../core/failure.ts";
import type { Command, Machine } from "../core/machine.ts";
import type { ChildRow, NewMessage } from "../store/store.ts";
import type { Clock } from "./clock.ts";
import type { ChildSpec, CommandSpec } from "./command-spec.ts";
import { toChild } from "./end-notices.ts";
import type { ForeignOutcome } from "./foreign-outcome.ts";
import type { RunFacts } from "./run-facts.ts";

/** What the children need from their parent. */
export interface Parent {
  readonly facts: RunFacts;
  readonly machine: Machine<CommandSpec>;
  readonly clock: Clock;
  arrive(command: Command<CommandSpec>, event: NewEvent): void;
  tell(message: NewMessage): void;
  eased(): void;
  /** Whether the run is no longer advanced here: it has ended, or somebody else goes on with it. */
  readonly gone: boolean;
  /** False when people stopped the workflow; {@link Children.admitted} is called once the child may be started. */
  mayStartChild(command: Command<ChildSpec>): boolean;
}

/** A child that exists; `outcome` when it had ended before anybody looked. */
export interface StartedRow {
  readonly run: number;
  readonly runId: string;
  readonly workflowId: string;
  readonly outcome: ForeignOutcome | undefined;
}

/** What the children need from the engine. */
export interface ChildStarter<A> {
  /** Starts the child of a command, or finds it. Rejects when its workflow id belongs to another run. */
  startChild(parent: A, command: Command<ChildSpec>): Promise<StartedRow>;
  runId(run: number): string;
}

/** Time between two tries to start a child: it grows from the first to the last. */
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1000;

export class Children<A extends Parent = Parent> {
  readonly #parent: A;
  readonly #starter: ChildStarter<A>;
  readonly #open = new Map<number, ChildRow>();
  readonly #starting = new Set<number>();
  /** To be started once people let the run go on. */
  readonly #held = new Set<number>();
  /** Told to the code already. */
  readonly #told = new Set<number>();

  /** Some were told to stop, and are terminated if they have not by the time the parent ends. */
  #doomed = false;

  constructor(parent: A, starter: ChildStarter<A>) {
    this.#parent = parent;
    this.#starter = starter;
  }

  /** Whether there are, or may soon be, some that the end of the parent stops. */
  get any(): boolean {
    return this.#open.size > 0 || this.#starting.size > 0 || this.#doomed;
  }

  /** Whether a start is on its way. */
  get starting(): boolean {
    return this.#starting.size > 0;
  }

  /** Whether a start waits until its workflow is no longer stopped. */
  get held(): boolean {
    return this.#held.size > 0;
  }

  /** Children that earlier engines started. */
  restore(rows: readonly ChildRow[]): void {
    for (const row of rows) this.#open.set(row.command, row);
  }

  /** A child that no command asks for any more means that the code has changed (rule 2). */
  verify(): void {
    const { machine } = this.#parent;
    for (const { command, workflowId } of this.#open.values()) {
      if (command > machine.commands) machine.verifyInFlight({ command, kind: "child", name: workflowId });
    }
  }

  start(command: Command<ChildSpec>): void {
    const known = this.#open.get(command.id);
    if (known !== undefined && known.generation === command.generation) {
      this.#tell(command, known.workflowId, this.#starter.runId(known.run));
      return;
    }
    if (!this.#parent.mayStartChild(command)) {
      this.#held.add(command.id);
      return;
    }
    this.#starting.add(command.id);
    this.#begin(command, FIRST_PAUSE_MS);
  }

  /** That the store is away or this engine leaves is no outcome of the child: it is asked for again, elsewhere if need be. */
  #begin(command: Command<ChildSpec>, pauseMs: number): void {
    const again = (): void => {
      if (!this.#parent.gone) this.#begin(command, Math.min(pauseMs * 2, LAST_PAUSE_MS));
    };
    this.#starter.startChild(this.#parent, command).then(
      (child) => this.#started(command, child),
      (error: unknown) => {
        const unknown = isPerdureError(error, "UNAVAILABLE") || isPerdureError(error, "LEASE_LOST");
        if (unknown) this.#parent.clock.after(pauseMs, again);
        else this.#failed(command, toFailure(error));
      },
    );
  }

  /** What held a start back does not any more. */
  admitted(command: Command<ChildSpec>): void {
    if (!this.#held.delete(command.id)) return;
    if (this.#parent.machine.open.has(command.id)) this.start(command);
    else this.#parent.eased();
  }

  #started(command: Command<ChildSpec>, { run, runId, workflowId, outcome }: StartedRow): void {
    this.#starting.delete(command.id);
    const { machine, clock } = this.#parent;
    // What ended the parent has stopped the child, too, or another engine finds it among the parent's.
    if (this.#parent.gone) return;
    if (outcome === undefined) {
      const { onParentClose: onClose = "cancel" } = command.spec.options;
      this.#open.set(command.id, { run, workflowId, command: command.id, generation: command.generation, onClose });
    }
    if (!machine.open.has(command.id)) this.cancel(command.id, "it was given up while it was being started");
    else if (outcome === undefined) this.#tell(command, workflowId, runId);
    else for (const event of this.ended(command, outcome, clock.now())) this.#parent.arrive(command, event);
    this.#parent.eased();
  }

  #failed(command: Command<ChildSpec>, failure: Failure): void {
    this.#starting.delete(command.id);
    const at = this.#parent.clock.now();
    this.#parent.arrive(command, newEvent.stepFailed(command, { at, startedAt: at, attempts: 1 }, failure));
    this.#parent.eased();
  }

  #tell(command: Command<ChildSpec>, workflowId: string, runId: string): void {
    if (!command.spec.spawned || this.#told.has(command.id) || !this.#parent.machine.awaitsChild(command.id)) return;
    this.#told.add(command.id);
    this.#parent.arrive(command, newEvent.childStarted(command, this.#parent.clock.now(), { workflowId, runId }));
  }

  /** The events by which a child's outcome enters the history of its parent. */
  ended(command: Command<ChildSpec>, { p, e, w = "", h = "" }: ForeignOutcome, at: number): NewEvent[] {
    this.#open.delete(command.id);
    const ran = { at, startedAt: Math.min(at, command.issuedAt), attempts: 1 };
    const outcome =
      e === undefined
        ? newEvent.stepCompleted(command, ran, JSON.stringify(p ?? null))
        : newEvent.stepFailed(command, ran, e);
    const untold = command.spec.spawned && this.#parent.machine.awaitsChild(command.id);
    this.#told.add(command.id);
    return untold ? [newEvent.childStarted(command, at, { workflowId: w, runId: h }), outcome] : [outcome];
  }

  /** The command was cancelled or given up: so is its child. */
  cancel(command: number, reason: string): void {
    this.#held.delete(command);
    const child = this.#open.get(command);
    if (child === undefined) return;
    this.#open.delete(command);
    if (child.onClose === "terminate") this.#doomed = true;
    if (child.onClose !== "abandon") this.#parent.tell(toChild(child, "cancel", this.#parent.clock.now(), reason));
  }
}
