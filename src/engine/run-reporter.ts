/** What people are told about one run: log lines, and events for observers. Secrets are blotted out before anything is said. */

import type { Blockage, Ending } from "../core/ending.ts";
import { type Failure, failureText, toFailure } from "../core/failure.ts";
import { type Command, SIGNAL_REFUSED } from "../core/machine.ts";
import type { ClosedStatus } from "../core/status.ts";
import type { EventRow } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import { type Announcement, announcementOf, stepIdentity } from "./announcement.ts";
import type { Clock } from "./clock.ts";
import type { Observers } from "./observers.ts";
import type { RunFacts } from "./run-facts.ts";
import { redactFailure, redactFields } from "./secrets.ts";

interface ReporterHost {
  readonly clock: Clock;
  readonly observers: Observers;
  readonly log: Logger;
}

export class RunReporter {
  readonly #host: ReporterHost;
  readonly #facts: RunFacts;

  constructor(host: ReporterHost, facts: RunFacts) {
    this.#host = host;
    this.#facts = facts;
  }

  /** The failure without secrets. */
  clean(failure: Failure): Failure {
    return redactFailure(this.#facts.secrets, failure);
  }

  event(row: EventRow): void {
    if (this.#host.observers.any) this.#tell(announcementOf(row));
  }

  note(kind: string, data: Readonly<Record<string, unknown>>): void {
    if (kind === SIGNAL_REFUSED)
      this.#host.log.warn({ ...this.#identity(), signal: data.name }, `a signal was dropped: ${String(data.reason)}`);
    this.#tell({ type: "note", kind, data });
  }

  started(command: Command, attempt: number): void {
    if (this.#host.observers.any) this.#tell({ type: "step.started", ...stepIdentity(command), attempt });
  }

  /** An attempt was handed out. */
  queued(command: Command, attempt: number, queue: string): void {
    if (this.#host.observers.any) this.#tell({ type: "step.queued", ...stepIdentity(command), attempt, queue });
  }

  waiting(command: Command, due: number | undefined): void {
    if (this.#host.observers.any) this.#tell({ type: "step.waiting", ...stepIdentity(command), due });
  }

  /** A line an activity logged. */
  line(command: Command, level: string, message: string): void {
    this.#tell({ type: "step.log", step: command.label ?? command.name, level, message });
  }

  retrying(command: Command, attempt: number, error: Failure, nextAt: number): void {
    const step = command.label ?? command.name;
    const inMs = Math.max(0, nextAt - this.#host.clock.now());
    const text = failureText(error);
    const fields = { ...this.#identity(), step, attempt, nextAt, error: text };
    this.#host.log.warn(fields, `attempt ${attempt} of ${step} failed, next in ${inMs} ms: ${text}`);
    this.#tell({ type: "step.retrying", ...stepIdentity(command), attempt, error, nextAt });
  }

  /** The last attempt of a step failed. Observers are told when that is durable. */
  gaveUp(command: Command, attempts: number, error: Failure): void {
    const step = command.label ?? command.name;
    const text = failureText(error);
    const fields = { ...this.#identity(), step, attempts, error: text };
    this.#host.log.warn(fields, `step ${step} failed after ${attempts} attempt(s): ${text}`);
  }

  parked(wakeAt: number | null): void {
    this.#tell({ type: "run.parked", wakeAt });
  }

  closed(status: ClosedStatus, ending: Ending | undefined): void {
    if (!this.#host.observers.any) return;
    const error = ending !== undefined && !ending.ok ? this.clean(toFailure(ending.error)) : undefined;
    this.#tell({ type: "run.closed", status, error });
  }

  blocked(blockage: Blockage): void {
    const { reason, message } = redactFields(this.#facts.secrets, blockage) as Blockage;
    this.#host.log.error({ ...this.#identity(), reason }, `run blocked: ${message}`);
    this.#tell({ type: "run.blocked", reason, message });
  }

  paused(): void {
    this.#tell({ type: "run.paused" });
  }

  /** The run ends while handlers of these messages are running. */
  unfinished(handlers: readonly string[]): void {
    const names = handlers.join(", ");
    const advice = "await wf.handlersFinished() before the end";
    this.#host.log.warn(
      { ...this.#identity(), handlers },
      `workflow ${this.#facts.workflow} ended while handlers were running (${names}); what they had left is not done: ${advice}`,
    );
  }

  recovered(events: number, crashes: number): void {
    this.#host.log.debug({ ...this.#identity(), events, crashes }, "run taken over");
    this.#tell({ type: "run.recovered", events, crashes });
  }

  rejection(error: unknown): void {
    const text = failureText(this.clean(toFailure(error)));
    this.#host.log.error(
      { ...this.#identity(), error: text },
      `unhandled rejection in workflow ${this.#facts.workflow}: ${text}`,
    );
  }

  #identity(): { workflow: string; workflowId: string; runId: string } {
    const { workflow, workflowId, runId } = this.#facts;
    return { workflow, workflowId, runId };
  }

  #tell(event: Announcement | undefined): void {
    if (event === undefined || !this.#host.observers.any) return;
    this.#host.observers.tell({ ...this.#identity(), at: this.#host.clock.now(), ...event } as never);
  }
}
