/**
 * The run a handle is at: the newest one known of those that continue one another.
 *
 * Owner: the handle. One whose start was asked for in a transaction is found once that has committed.
 */
import { PerdureError } from "../core/errors.ts";
import { formatRunId } from "../core/ids.ts";
import type { RunStatus } from "../core/status.ts";
import type { MessageKind, RunRow } from "../store/store.ts";
import type { AwaitedRun } from "./awaited-run.ts";
import type { HandleHost } from "./handle-host.ts";

/** Where a message lies in which inbox. */
export interface SentMessage {
  readonly run: number;
  readonly number: number;
}

export class FollowedRun {
  readonly host: HandleHost;
  readonly workflowId: string;
  #run: number;
  /** Until its start was admitted. */
  #awaited: AwaitedRun | undefined;

  constructor(host: HandleHost, workflowId: string, run: number | AwaitedRun) {
    this.host = host;
    this.workflowId = workflowId;
    this.#run = typeof run === "number" ? run : Number.NaN;
    this.#awaited = typeof run === "number" ? undefined : run;
  }

  /** Its number; NaN while it is awaited. */
  get run(): number {
    return this.#run;
  }

  /** @throws PerdureError `NOT_FOUND` while it is awaited. */
  get runId(): string {
    if (this.#awaited !== undefined) throw this.#awaited.unknown();
    return formatRunId(this.host.store.id, this.#run);
  }

  /** The start that was asked for in a transaction, until a call has found its run. */
  get awaited(): AwaitedRun | undefined {
    return this.#awaited;
  }

  /** Waits for a run whose start was asked for in a transaction. */
  async arrive(limit?: number): Promise<void> {
    if (this.#awaited === undefined) return;
    this.#run = await this.#awaited.arrive(limit);
    this.#awaited = undefined;
  }

  /** The run's row; that of its successor when it has continued as new. */
  async row(): Promise<RunRow> {
    if (this.#awaited !== undefined) await this.arrive();
    for (;;) {
      const row = (await this.host.store.find({ run: this.#run })) ?? (await this.#successor());
      if (row === undefined) throw new PerdureError("NOT_FOUND", `run ${this.runId} does not exist (any more)`);
      if (row.status !== "continued_as_new") return row;
      const current = await this.host.store.find({ workflowId: this.workflowId });
      if (current === undefined || current.run === row.run || current.chain !== row.chain) return row;
      this.#run = current.run;
    }
  }

  /** The run that goes on from this one, which is deleted by now: its chain is called after its first run. */
  async #successor(): Promise<RunRow | undefined> {
    const current = await this.host.store.find({ workflowId: this.workflowId });
    if (current === undefined || current.run === this.#run || current.chain !== this.#run) return undefined;
    this.#run = current.run;
    return current;
  }

  /** Puts a message into the inbox of the run, or of the one that has continued it meanwhile. @throws PerdureError `RUN_CLOSED` */
  async send(kind: MessageKind, name: string, data: string, key: string | null): Promise<SentMessage> {
    if (this.#awaited !== undefined) await this.arrive();
    for (;;) {
      const run = this.#run;
      const sent = await this.host.store.send({ run, kind, name, data, at: this.host.now(), key });
      if ("number" in sent) {
        this.host.hint();
        return { run, number: sent.number };
      }
      const { status } = await this.row();
      if (this.#run === run) throw closedError(this.workflowId, status);
    }
  }
}

/** What senders to a run that has ended are told. */
export function closedError(workflowId: string, status: RunStatus): PerdureError {
  return new PerdureError("RUN_CLOSED", `${workflowId} has ended (${status}); it takes no more messages`, {
    details: { workflowId, status },
  });
}
