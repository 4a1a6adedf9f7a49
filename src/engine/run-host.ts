/** The seam between a run in memory and its engine. */
import type { Check } from "../core/events.ts";
import type { PayloadCodec } from "../core/payload.ts";
import type { AttemptRow, ChildRow, EventRow, MessageRow, OutcomeRow } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { Alarm } from "./alarm.ts";
import type { Around } from "./around.ts";
import type { Clock } from "./clock.ts";
import type { Observers } from "./observers.ts";
import type { RecordedCommand } from "./recorded-history.ts";
import type { RunFacts } from "./run-facts.ts";
import type { RunServices } from "./run-services.ts";
import type { StepRun } from "./step-run.ts";
import type { Turns } from "./turns.ts";

/** What a run needs from its engine. */
export interface RunHost<A> {
  readonly services: RunServices;
  readonly clock: Clock;
  readonly alarm: Alarm;
  readonly turns: Turns;
  readonly observers: Observers;
  readonly log: Logger;
  readonly codec: PayloadCodec | undefined;
  readonly deps: unknown;
  readonly parkAfterMs: number;
  /** How many messages a run takes at a time. */
  readonly ahead: number;
  /** Stands around every attempt, if anybody does. */
  readonly around: Around | undefined;
  /** Asks for a place in the next batch: `takeTransition` is called then. */
  ready(actor: A): void;
  /**
   * False when the lease may be lost (rule 20), a limit is reached, or people stopped it; the step's `admitted` is called once it may
   * start.
   */
  mayStart(step: StepRun, facts: RunFacts): boolean;
  /** False when people stopped the workflow; `then` is called once they do not any more. */
  mayGoOn(workflow: string, then: () => void): boolean;
  /** Calls `linger` in the next pass of the event loop. */
  watch(step: StepRun): void;
  /** The run has ended, or is blocked (no last event). */
  closed(actor: A, last: EventRow | undefined): void;
  parked(actor: A, wakeAt: number | null): void;
  /** Fetches the inbox anew and calls `refetched`. */
  refetch(actor: A): void;
  /** The memory of this run is wrong: forget it and load it again. */
  reload(actor: A): void;
  /** The memory of this run may be wrong: forget it. */
  forget(actor: A): void;
  /** Something was put into an inbox: look at once. */
  hint(): void;
  /** Tasks of the run are there to be claimed. */
  handedOut(): void;
  /** Updates of the run were answered. */
  answered(actor: A): void;
  /** A run that had crashed engines made progress. */
  progressed(actor: A): void;
}

/** Where a run stood when an earlier engine left it. */
export interface TakenOver {
  /** Length of the history, what was set aside included. */
  readonly length: number;
  readonly attempts: readonly AttemptRow[];
  readonly messages: readonly MessageRow[];
  /** Number the inbox stands at. */
  readonly inbox: number;
  /** Commands issued when it was parked, if nothing happened since. */
  readonly check: Check | undefined;
  /** What was open then. */
  readonly open: readonly RecordedCommand[];
  /** What its row says of that. */
  readonly kept: object;
  readonly crashes: number;
  readonly children: readonly ChildRow[];
  /** What transactions came to that are not in the history yet. */
  readonly outcomes: readonly OutcomeRow[];
  /** Updates that were accepted and not answered. */
  readonly unanswered: readonly number[];
}
