/** Starting runs: what an id that is taken means, idempotency, and starts that bring a message along. */
import { createHmac, randomUUID } from "node:crypto";
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import type { Failure } from "../core/failure.ts";
import { checkedId, checkedText } from "../core/names.ts";
import { noteData } from "../core/note-data.ts";
import { checkOptions, checkWord, optionNames } from "../core/options.ts";
import { encodePayload } from "../core/payload.ts";
import { isClosed } from "../core/status.ts";
import { textTags } from "../core/tags.ts";
import { saysUnanswered } from "../engine/end-notices.ts";
import type { Engine } from "../engine/engine.ts";
import type { StartSpec } from "../engine/new-run.ts";
import type { Registry } from "../engine/registry.ts";
import { type IdPolicy, type Placed, placeAgain, whenTaken } from "../engine/taken-id.ts";
import type { LentTransaction } from "../store/admissions.ts";
import type { AnswerRow, FirstMessage, RunRow, StartResult } from "../store/store.ts";
import type { Signal, Update } from "../workflow/signal.ts";
import { type AnyWorkflow, isWorkflow } from "../workflow/workflow.ts";
import { askForStart } from "./asking.ts";
import { AwaitedRun } from "./awaited-run.ts";
import { closedError } from "./followed-run.ts";
import type { HandleHost } from "./handle-host.ts";
import { RunHandle } from "./run-handle.ts";
import { startInput } from "./sent-value.ts";

/** Options of {@link Perdure.start}. */
export interface StartOptions {
  /** Business identity of the run; default a UUIDv7: new ids are neighbours in the index. */
  readonly id?: string;
  /** What to do when the id belongs to a run that has ended. Default `allow`. */
  readonly reuse?: "allow" | "failed-only" | "reject";
  /** What to do when the id belongs to an open run. Default `fail`. */
  readonly conflict?: "fail" | "attach" | "terminate";
  /** Starting again with this key is the same start; with another input it is an error. Without `id` it is the id too. */
  readonly idempotencyKey?: string;
  /** Begin later. */
  readonly delay?: Duration;
  /** Longest life of the run, waits included. */
  readonly timeout?: Duration;
  /** Visible to activities as `ctx.secrets`, stored encrypted, never in a history. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Version of the workflow; default the one that starts are routed to (see `routes` of `open`). */
  readonly version?: string;
  /** To find the run by. */
  readonly tags?: Readonly<Record<string, string | number | boolean>>;
  /** JSON kept beside the run for people and tools. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /**
   * PostgreSQL only. Start inside this transaction of yours: when it commits the run is started, when it is rolled back it never was. Give the
   * client of node-postgres, or what Kysely, Drizzle or Prisma call `trx` or `tx`. The id is looked at after the commit: when the start
   * cannot be made then, `handle.result()` rejects with the reason.
   */
  readonly transaction?: LentTransaction;
}

const START: ReadonlySet<string> = optionNames<StartOptions>({
  id: true,
  reuse: true,
  conflict: true,
  idempotencyKey: true,
  delay: true,
  timeout: true,
  secrets: true,
  version: true,
  tags: true,
  meta: true,
  transaction: true,
});
const REUSE = ["allow", "failed-only", "reject"] as const;
const CONFLICT = ["fail", "attach", "terminate"] as const;

/** What is sent along; may be left out when there is nothing to say. */
export type WithPayload<T> = undefined extends T ? { readonly payload?: T } : { readonly payload: T };

/** The signal of a start that brings one along. */
export interface WithSignal<T> {
  readonly signal: Signal<T, unknown> | string;
  /** Sending with the same key again is the same as once. */
  readonly key?: string;
}

/** The update of a start that brings one along. */
export interface WithUpdate<I, O> {
  readonly update: Update<I, O, never, unknown>;
  /** Sending again with the same id is the same update. */
  readonly updateId?: string;
  /** How long to wait for the answer. Default: as long as it takes. */
  readonly updateTimeout?: Duration;
}

/** A run that was started or found. */
interface Begun {
  readonly handle: RunHandle;
  readonly run: number;
  /** Whether this very call started it. */
  readonly fresh: boolean;
}

/** What starts need of an engine. */
type StartingEngine = Pick<Engine, "start" | "hint">;

export class Starts {
  readonly #engine: StartingEngine;
  readonly #registry: Registry;
  readonly #host: HandleHost;
  readonly #seal: (text: string) => string;

  constructor(engine: StartingEngine, registry: Registry, host: HandleHost, seal: (text: string) => string) {
    this.#engine = engine;
    this.#registry = registry;
    this.#host = host;
    this.#seal = seal;
  }

  start(
    workflow: AnyWorkflow | string,
    input: unknown,
    options: StartOptions,
    messages?: readonly FirstMessage[],
  ): Promise<Begun> {
    const definition = this.#definition(workflow, options.version);
    const workflowId = idOf(options);
    if (definition.input === undefined) return this.#start(definition, workflowId, input, input, options, messages);
    return this.#startValid(definition, workflowId, input, options, messages);
  }

  async #startValid(
    definition: AnyWorkflow,
    workflowId: string,
    given: unknown,
    options: StartOptions,
    messages: readonly FirstMessage[] | undefined,
  ): Promise<Begun> {
    return this.#start(definition, workflowId, await startInput(definition, given), given, options, messages);
  }

  /** Starts when the transaction of the options has committed. */
  async ask(workflow: AnyWorkflow | string, input: unknown, options: AskOptions): Promise<RunHandle> {
    return askStart(this.#host, this.#seal, this.#definition(workflow, options.version), input, options);
  }

  /** Puts a message into the inbox of the open run of the id, or of a new one. */
  async deliver(
    workflow: AnyWorkflow,
    input: unknown,
    options: StartOptions,
    message: FirstMessage,
  ): Promise<Begun & { readonly number: number }> {
    if (options.transaction !== undefined)
      throw new PerdureError(
        "INVALID_ARGUMENT",
        'inside a transaction start and signal are two calls: start({ transaction, conflict: "attach" }), then handle.signal with { transaction }',
      );
    if (options.id === undefined)
      throw new PerdureError("INVALID_ARGUMENT", "a start that brings a message along needs the id of the run");
    for (let refusedBy: number | undefined; ; ) {
      const begun = await this.start(workflow, input, { ...options, conflict: "attach" }, [message]);
      if (begun.fresh) return { ...begun, number: 1 };
      const sent = await this.#host.store.send({ ...message, run: begun.run });
      if ("number" in sent) {
        this.#host.hint(begun.run);
        return { ...begun, number: sent.number };
      }
      // It is the same start: the run that it began has ended, and no other takes its place.
      if (begun.run === refusedBy) throw closedError(options.id, await begun.handle.status());
      refusedBy = begun.run;
    }
  }

  #definition(workflow: AnyWorkflow | string, version: string | undefined): AnyWorkflow {
    if (typeof workflow !== "string" && !isWorkflow(workflow))
      throw new PerdureError("INVALID_ARGUMENT", "start() takes what workflow(…) or flow(…) returned, or its name");
    const definition = this.#registry.workflow(workflow, version);
    if (definition !== undefined) return definition;
    const name = typeof workflow === "string" ? workflow : workflow.name;
    const what = version === undefined ? JSON.stringify(name) : `${name}@${version}`;
    throw new PerdureError(
      "NOT_FOUND",
      `no workflow ${what} is registered with this engine; it has ${this.#registry.workflowNames.join(", ") || "none"}`,
    );
  }

  async #start(
    workflow: AnyWorkflow,
    workflowId: string,
    input: unknown,
    given: unknown,
    options: StartOptions,
    messages?: readonly FirstMessage[],
  ): Promise<Begun> {
    const spec = startSpec(this.#host.store.id, workflow, workflowId, input, options, given, messages);
    const result = await this.#engine.start(spec, null);
    const { run, fresh } =
      "run" in result ? { run: result.run, fresh: true } : await this.#placeAgain(result, spec, options);
    if (!fresh) this.#engine.hint(run);
    return { handle: new RunHandle(this.#host, workflowId, run), run, fresh };
  }

  /** Of its own, as most ids are free: thousands of starts may be under way at once. */
  #placeAgain(refused: StartResult, spec: StartSpec, options: StartOptions): Promise<Placed> {
    const policy = policyOf(spec.workflow, spec.request, options);
    return placeAgain(
      refused,
      (supersedes) => this.#engine.start(spec, supersedes),
      async (row) => {
        const taken = whenTaken(row, policy);
        if (taken === "replace" && (await this.#has(row, spec.messages))) return "attach";
        if (taken !== "end") return taken;
        await this.#end(row);
        return "replace";
      },
    );
  }

  /** Whether a run that has ended was sent one of these before, by its key; not when it ended before it answered. */
  async #has({ run }: RunRow, messages: readonly FirstMessage[] = []): Promise<boolean> {
    for (const message of messages.filter(({ key }) => key !== null)) {
      const sent = await this.#host.store.send({ ...message, run });
      if (!("number" in sent)) continue;
      const answer = message.kind === "update" ? await this.#host.store.answer(run, sent.number) : undefined;
      if (message.kind !== "update" || (answer !== undefined && !isLeftUnanswered(answer))) return true;
    }
    return false;
  }

  async #end({ workflowId, run }: RunRow): Promise<void> {
    const handle = new RunHandle(this.#host, workflowId, run);
    await handle.terminate("replaced by a new start");
    while (!isClosed(await handle.status())) await this.#host.changed(run, 50);
  }
}

function isLeftUnanswered({ status, data }: AnswerRow): boolean {
  return status === "rejected" && saysUnanswered(JSON.parse(data) as Failure);
}

/** Options of a start inside a transaction. */
export type AskOptions = StartOptions & { readonly transaction: LentTransaction };

/** Asks for a start inside the caller's transaction. */
export async function askStart(
  host: HandleHost,
  seal: (text: string) => string,
  workflow: AnyWorkflow,
  input: unknown,
  options: AskOptions,
): Promise<RunHandle> {
  const workflowId = idOf(options);
  const valid = await startInput(workflow, input);
  const spec = startSpec(host.store.id, workflow, workflowId, valid, options, input);
  const policy = policyOf(workflow, spec.request, options);
  const ticket = await askForStart(host, seal, spec, policy, options.transaction);
  return new RunHandle(host, workflowId, new AwaitedRun(host, workflowId, ticket));
}

/** The id that a start gives. @throws PerdureError INVALID_ARGUMENT */
function idOf({ id, idempotencyKey }: StartOptions): string {
  if (idempotencyKey !== undefined) checkedText(idempotencyKey, "an idempotencyKey");
  const workflowId = id ?? idempotencyKey;
  return workflowId === undefined ? timeOrderedId() : checkedId(workflowId, "a workflow id");
}

/** `given` is the input before its schema made something of it: asking for the same again is known by that. */
function startSpec(
  storeId: string,
  workflow: AnyWorkflow,
  workflowId: string,
  input: unknown,
  options: StartOptions,
  given: unknown,
  messages?: readonly FirstMessage[],
): StartSpec {
  checkOptions(options, START, "start()");
  checkWord(options.reuse, REUSE, "reuse");
  checkWord(options.conflict, CONFLICT, "conflict");
  const { idempotencyKey, delay, timeout, secrets = {}, meta, tags = {} } = options;
  return {
    workflow,
    workflowId,
    input,
    delayMs: delay === undefined ? 0 : durationMs(delay, "delay"),
    timeoutMs: timeout === undefined ? workflow.timeoutMs : durationMs(timeout, "timeout"),
    secrets,
    meta: meta === undefined ? null : JSON.stringify(noteData(meta, "meta")),
    request: idempotencyKey === undefined ? null : requestHash(storeId, idempotencyKey, workflow.name, given),
    tags: textTags(tags),
    ...(messages !== undefined && { messages }),
  };
}

function policyOf(workflow: AnyWorkflow, request: string | null, options: StartOptions): IdPolicy {
  const { reuse = "allow", conflict = "fail" } = options;
  return { workflow: workflow.name, request, reuse, conflict };
}

/** Rule 28: a keyed hash of what is asked for, kept as long as the run. */
function requestHash(storeId: string, key: string, workflow: string, input: unknown): string {
  const mac = (text: string): string => createHmac("sha256", storeId).update(text).digest("hex").slice(0, 32);
  return `${mac(key)}:${mac(`${workflow}\n${encodePayload(input)}`)}`;
}

/** A UUIDv7 (RFC 9562): what is started together lies together in the indexes of the store. */
function timeOrderedId(): string {
  const ms = Date.now().toString(16).padStart(12, "0");
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${randomUUID().slice(15)}`;
}
