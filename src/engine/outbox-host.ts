/** The seam between the outbox of a run and the rest of it. */
import type { NewEvent } from "../core/events.ts";
import type { Command } from "../core/machine.ts";
import type { Payload } from "../core/payload.ts";
import type { AttemptRow, NewRun } from "../store/store.ts";
import type { Clock } from "./clock.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { ForeignOutcome } from "./foreign-outcome.ts";
import type { ResultHost } from "./run-facts.ts";

/** What the outbox needs from its run. */
export interface OutboxHost extends ResultHost {
  readonly clock: Clock;
  /** How many messages a run takes at a time. */
  readonly ahead: number;
  readonly effects: OutboxEffects;
  /** A run that had crashed engines got further. */
  progressed(): void;
  /** The run that goes on from this one. */
  successor(input: Payload, at: number): NewRun;
  /** The run ends while handlers of these names are running. */
  unfinished(handlers: readonly string[]): void;
}

/** What the outbox asks of, and does to, what the run has set going. */
export interface OutboxEffects {
  /** Stops a step that must not go on; its outcome is being written or it has none. */
  drop(command: number, reason: Error): void;
  /** Stops all of them. */
  dropAll(reason: () => Error): void;
  /** Stops all of them; answers with the rows by which the attempts given up do not count as lost. */
  giveUp(reason: Error): readonly AttemptRow[];
  /** When the run has to be woken if it parks now (infinite: by a message only), or undefined when it must stay. */
  parkUntil(): number | undefined;
  /** What it waits for, for people. */
  waits(): readonly object[];
  /** An outcome that came as a message: the event it makes, or undefined when it means nothing (any more). */
  foreign(command: Command<CommandSpec>, outcome: ForeignOutcome, at: number): NewEvent[];
  /** Whether a transaction of the user's is under way. */
  readonly transacting: boolean;
  /** Somebody wants the next attempt of a step now. */
  retryNow(command: number): void;
  /** The run is to stand still: rows of what waits for its next attempt, or undefined while something is in flight. */
  standStill(): readonly AttemptRow[] | undefined;
  /** Whether there are children that may not have ended. */
  readonly hasChildren: boolean;
}
