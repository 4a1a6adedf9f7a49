/**
 * Tells observers what happened, after it is durable. A slow or throwing observer never blocks or fails a run: events wait in
 * a bounded queue, what does not fit is dropped and counted; ends of runs are never dropped.
 */
import type { CommandKind } from "../core/events.ts";
import type { Failure } from "../core/failure.ts";
import type { ClosedStatus } from "../core/status.ts";
import type { Logger } from "../workflow/logger.ts";

/** The run an event belongs to. */
export interface RunIdentity {
  readonly workflow: string;
  readonly workflowId: string;
  readonly runId: string;
}

/** The step an event belongs to. */
export interface StepIdentity {
  readonly command: number;
  readonly kind: CommandKind;
  /** Label if there is one, else the name. */
  readonly step: string;
  /** Name of the activity or signal. */
  readonly name: string;
}

type Of<T extends string, Fields = unknown> = RunIdentity & { readonly type: T; readonly at: number } & Fields;

/** Everything an observer can be told. */
export type RunEvent =
  | Of<"run.started">
  | Of<"run.recovered", { readonly events: number; readonly crashes: number }>
  | Of<"run.parked", { readonly wakeAt: number | null }>
  | Of<"run.paused">
  | Of<"run.blocked", { readonly reason: string; readonly message: string }>
  | Of<"run.closed", { readonly status: ClosedStatus; readonly error?: Failure | undefined }>
  | Of<"step.started", StepIdentity & { readonly attempt: number }>
  /** Any engine that serves the queue may run the attempt; the one that does tells of its start. */
  | Of<"step.queued", StepIdentity & { readonly attempt: number; readonly queue: string }>
  | Of<"step.retrying", StepIdentity & { readonly attempt: number; readonly error: Failure; readonly nextAt: number }>
  | Of<"step.waiting", StepIdentity & { readonly due: number | undefined }>
  | Of<"step.completed", StepIdentity & { readonly attempts: number; readonly durationMs: number }>
  | Of<
      "step.failed",
      StepIdentity & { readonly attempts: number; readonly durationMs: number; readonly error: Failure }
    >
  | Of<"step.timed_out", StepIdentity>
  | Of<"step.cancelled", StepIdentity>
  | Of<"step.log", { readonly step: string; readonly level: string; readonly message: string }>
  | Of<"signal.received", { readonly signal: string }>
  | Of<"update.accepted", { readonly update: string }>
  | Of<"child.started", StepIdentity & { readonly childId: string; readonly childRunId: string }>
  | Of<"note", { readonly kind: string; readonly data: Readonly<Record<string, unknown>> }>;

/** Somebody who wants to be told. */
export interface Observer {
  onEvent(event: RunEvent): void;
}

const MAX_QUEUED = 10_000;

export class Observers {
  readonly #observers: readonly Observer[];
  readonly #log: Logger;
  #queue: RunEvent[] = [];
  #scheduled = false;
  /** Events that did not fit into the queue. */
  dropped = 0;

  constructor(observers: readonly Observer[], log: Logger) {
    this.#observers = observers;
    this.#log = log;
  }

  /** False when nobody listens: callers then need not build events at all. */
  get any(): boolean {
    return this.#observers.length > 0;
  }

  tell(event: RunEvent): void {
    if (this.#observers.length === 0) return;
    if (this.#queue.length >= MAX_QUEUED && event.type !== "run.closed" && event.type !== "run.blocked") {
      this.dropped++;
      return;
    }
    this.#queue.push(event);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Delivers what is queued. */
  flush(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    this.#queue = [];
    for (const event of queue) {
      for (const observer of this.#observers) {
        try {
          observer.onEvent(event);
        } catch (error) {
          this.#log.warn({ error: String(error), event: event.type }, "an observer threw; the run is not affected");
        }
      }
    }
  }
}
