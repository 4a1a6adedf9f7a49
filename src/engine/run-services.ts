/** What runs ask of their engine beside being advanced: children, successors, transactions, tokens, messages to other runs. */
import { durationMs } from "../core/duration.ts";
import { isPerdureError, PerdureError } from "../core/errors.ts";
import { newEvent } from "../core/events.ts";
import { FATAL } from "../core/failure.ts";
import { formatRunId } from "../core/ids.ts";
import type { Command } from "../core/machine.ts";
import { decodePayload, encodePayload, type Payload, type PayloadCodec } from "../core/payload.ts";
import type { StoreTransaction } from "../core/sql-transaction.ts";
import { isClosed, type RunStatus } from "../core/status.ts";
import { Vouched, vouched } from "../core/vouched.ts";
import type { Lease, NewRun, RunRow, StartResult, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { ChildStarter, StartedRow } from "./children.ts";
import type { Clock } from "./clock.ts";
import type { ChildSpec, StepSpec } from "./command-spec.ts";
import { childOutcome } from "./end-notices.ts";
import type { ForeignOutcome } from "./foreign-outcome.ts";
import type { StartSpec } from "./new-run.ts";
import { encodeResult, type RunFacts } from "./run-facts.ts";
import { Statements } from "./statements.ts";
import type { StepRun } from "./step-run.ts";
import { place } from "./taken-id.ts";

/** A run that is served. */
export interface Served {
  readonly facts: RunFacts;
}

/** What the services need from the engine. */
export interface ServicesHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly codec: PayloadCodec | undefined;
  lease(): Lease | undefined;
  seal(text: string): string;
  start(spec: StartSpec, supersedes: number | null): Promise<StartResult>;
  hint(): void;
}

/** Longest time a transactional step may hold the store's only writer. */
const TRANSACTION_LIMIT_MS = 5000;
/** Between two looks whether a store that was away is back. */
const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1000;

/** Time between two looks at a child that is to end. */
const FIRST_LOOK_MS = 20;
const LAST_LOOK_MS = 1000;

const NO_TAGS: Readonly<Record<string, string>> = {};

export class RunServices implements ChildStarter<Served> {
  readonly #host: ServicesHost;

  constructor(host: ServicesHost) {
    this.#host = host;
  }

  // ---- other runs ------------------------------------------------------------------------------------------------------

  /** The run that goes on from this one. `tags` is JSON text. */
  successor({ facts }: Served, input: Payload, at: number, tags: string): NewRun {
    const { workflow, version, workflowId, parent, deadline, startedAt, secrets } = facts;
    const about = {
      workflow,
      version,
      workflowId,
      input,
      deadline: deadline === undefined ? undefined : at + (deadline - startedAt),
      parent: parent === null ? undefined : this.runId(parent.run),
    };
    const { type, body } = newEvent.runStarted(at, about);
    return {
      workflowId,
      workflow,
      version: version ?? null,
      createdAt: at,
      owned: false,
      wakeAt: at,
      first: { type, at, data: `{${body}}` },
      meta: facts.meta,
      request: facts.request,
      secrets: Object.keys(secrets).length === 0 ? null : this.#host.seal(JSON.stringify(secrets)),
      supersedes: null,
      tags,
    };
  }

  runId(run: number): string {
    return formatRunId(this.#host.store.id, run);
  }

  async startChild({ facts }: Served, { id, generation, spec }: Command<ChildSpec>): Promise<StartedRow> {
    const { workflow, options } = spec;
    const { onParentClose: onClose = "cancel" } = options;
    const workflowId = childId(facts.runId, { id, generation, spec });
    const start: StartSpec = {
      workflow,
      workflowId,
      input: decodePayload(spec.input),
      delayMs: 0,
      timeoutMs:
        options.timeout === undefined ? workflow.timeoutMs : durationMs(options.timeout, "timeout of the child"),
      secrets: facts.secrets,
      meta: null,
      request: null,
      tags: options.tags ?? NO_TAGS,
      parent: { run: facts.run, runId: facts.runId, command: id, generation, onClose },
    };
    const result = await place(
      (supersedes) => this.#host.start(start, supersedes),
      async (row): Promise<"replace"> => {
        if (isPredecessor(row, start)) await this.#ended(row.run);
        else if (!isClosed(row.status)) throw idTaken(workflowId, row.status);
        return "replace";
      },
    );
    const outcome = result.existing === true ? await this.#outcomeOf(result.run, id, generation) : undefined;
    return { run: result.run, runId: this.runId(result.run), workflowId, outcome };
  }

  /** Waits for a child that was told to stop. Gives up when the parent is no longer this engine's. */
  async #ended(run: number): Promise<void> {
    const { store, clock } = this.#host;
    const mine = this.#host.lease();
    for (let look = FIRST_LOOK_MS; ; look = Math.min(look * 2, LAST_LOOK_MS)) {
      const row = await store.find({ run });
      if (row === undefined || isClosed(row.status)) return;
      await new Promise<void>((resolve) => void clock.after(look, resolve));
      if (mine === undefined || mine !== this.#host.lease())
        throw new PerdureError("LEASE_LOST", "this engine has lost its lease");
    }
  }

  /** What a child that was started before has ended with, if it has. */
  async #outcomeOf(run: number, command: number, generation: number): Promise<ForeignOutcome | undefined> {
    const row = await this.#host.store.find({ run });
    const last = row === undefined || row.closedAt === null ? undefined : await this.#host.store.lastEvent(run);
    if (row === undefined || last === undefined) return undefined;
    const address = { c: command, g: generation, w: row.workflowId, h: this.runId(run) };
    return JSON.parse(childOutcome(address, row.workflowId, last)) as ForeignOutcome;
  }

  // ---- steps -----------------------------------------------------------------------------------------------------------

  /** Runs a transactional step in the store. While the store is away the attempt waits, as nothing of it has happened. */
  async transact(served: Served, step: StepRun): Promise<unknown> {
    const { attempt } = step;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS)) {
      const lease = this.#host.lease();
      try {
        return await this.#transactOnce(served, step, lease);
      } catch (error) {
        const away = isPerdureError(error, "UNAVAILABLE") && !this.#foreign.has(error);
        if (!away || lease !== this.#host.lease()) throw error;
        await new Promise<void>((wake) => void this.#host.clock.after(pauseMs, wake));
        if (!step.running || step.attempt !== attempt) throw error;
      }
    }
  }

  async #transactOnce({ facts }: Served, { command }: StepRun, lease: Lease | undefined): Promise<unknown> {
    const { transact } = this.#host.store;
    if (transact === undefined) {
      const message = `the ${this.#host.store.kind} store has no tables of yours: wf.transaction needs sqlite: or postgres:`;
      throw Object.defineProperty(new PerdureError("INVALID_ARGUMENT", message), FATAL, { value: true });
    }
    if (lease === undefined) throw new PerdureError("LEASE_LOST", "this engine has lost its lease");
    const { id, generation, spec } = command;
    const step = { run: facts.run, command: id, generation, at: this.#host.clock.now() };
    const limitMs = Math.min(spec.config.timeoutMs, TRANSACTION_LIMIT_MS);
    const { data } = await transact.call(this.#host.store, lease, step, limitMs, async (tx) =>
      encodeResult(this.#host, facts, await this.#worked(spec.transaction, tx), `the result of ${command.name}`),
    );
    return decodePayload(data, this.#host.codec);
  }

  /** Errors of users' functions that say UNAVAILABLE about something else than the store. */
  readonly #foreign = new WeakSet<PerdureError>();

  async #worked(work: StepSpec["transaction"], tx: StoreTransaction): Promise<unknown> {
    const statements = new Statements(tx);
    try {
      const result = await work?.({ query: statements.query });
      await statements.ended();
      return result;
    } catch (error) {
      if (isPerdureError(error, "UNAVAILABLE") && error !== statements.failure) this.#foreign.add(error);
      throw error;
    } finally {
      statements.close();
    }
  }

  /** A token that settles an attempt from outside. */
  completionToken(runId: string, attempt: Pick<ForeignOutcome, "c" | "g" | "a">, activity?: string): string {
    return this.#host.seal(JSON.stringify({ run: runId, ...attempt, n: activity }));
  }

  // ---- what workflow code asks for -------------------------------------------------------------------------------------

  async send(
    workflowId: string,
    kind: "signal" | "cancel" | "terminate",
    name: string,
    value: unknown,
    key: string,
  ): Promise<void> {
    const data =
      value instanceof Vouched
        ? vouched(encodePayload(value.value, this.#host.codec))
        : encodePayload(value, kind === "signal" ? this.#host.codec : undefined);
    const message = { kind, name, data, at: this.#host.clock.now(), key };
    for (let refusedBy: number | undefined; ; ) {
      const row = await this.#host.store.find({ workflowId });
      if (row === undefined) throw new PerdureError("NOT_FOUND", `there is no run ${JSON.stringify(workflowId)}`);
      if (row.run === refusedBy)
        throw new PerdureError("RUN_CLOSED", `${workflowId} has ended (${row.status}); it takes no more messages`);
      const sent = await this.#host.store.send({ run: row.run, ...message });
      if ("number" in sent) break;
      // Rule 24: it may have continued as new meanwhile.
      refusedBy = row.run;
    }
    this.#host.hint();
  }

  callbackToken(runId: string, nonce: string): string {
    return this.#host.seal(JSON.stringify({ run: runId, nonce }));
  }

  callbackUrl(_token: string): string | undefined {
    return undefined;
  }
}

/**
 * Workflow id of the child of a command. One that is begun anew has the id that handles know, unless the one before may go on for ever.
 */
export function childId(
  parentId: string,
  { id, generation, spec }: Pick<Command<ChildSpec>, "id" | "generation" | "spec">,
): string {
  const { id: own, onParentClose } = spec.options;
  const known = generation === 0 || (spec.spawned && onParentClose !== "abandon");
  return own ?? `${parentId}/${id}${known ? "" : `.${generation}`}`;
}

/** Whether a run is the child that the same command had before its outcome was set aside: it was told to stop then. */
function isPredecessor({ parent }: RunRow, start: StartSpec): boolean {
  const { run, command, generation } = start.parent!;
  return (
    parent !== null &&
    parent.onClose !== "abandon" &&
    parent.run === run &&
    parent.command === command &&
    parent.generation < generation
  );
}

function idTaken(workflowId: string, status: RunStatus): PerdureError {
  return new PerdureError(
    "ALREADY_EXISTS",
    `the child could not be started: another run with the id ${workflowId} is open (${status})`,
    { details: { workflowId } },
  );
}
