/** Starting runs: what an id that is taken means, idempotency, and starts that bring a message along. */
import { createHmac, randomUUID } from "node:crypto";
import { type Duration, durationMs } from "../core/duration.ts";
import { PerdureError } from "../core/errors.ts";
import { MAX_NAME } from "../core/ids.ts";
import { encodePayload } from "../core/payload.ts";
import { isClosed } from "../core/status.ts";
import type { Engine } from "../engine/engine.ts";
import type { Registry } from "../engine/registry.ts";
import type { FirstMessage, RunRow } from "../store/store.ts";
import type { Signal, Update } from "../workflow/signal.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { type HandleHost, RunHandle } from "./run-handle.ts";

/** Options of {@link Perdure.start}. */
export interface StartOptions {
  /** Business identity of the run; default a UUID. */
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
}

/** What is sent along; may be left out when there is nothing to say. */
export type WithPayload<T> = undefined extends T ? { readonly payload?: T } : { readonly payload: T };

/** The signal of a start that brings one along. */
export interface WithSignal<T> {
  readonly signal: Signal<T> | string;
  /** Sending with the same key again is the same as once. */
  readonly key?: string;
}

/** The update of a start that brings one along. */
export interface WithUpdate<I, O> {
  readonly update: Update<I, O>;
  /** Sending again with the same id is the same update. */
  readonly updateId?: string;
  /** How long to wait for the answer. Default: as long as it takes. */
  readonly updateTimeout?: Duration;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;

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

  constructor(engine: StartingEngine, registry: Registry, host: HandleHost) {
    this.#engine = engine;
    this.#registry = registry;
    this.#host = host;
  }

  start(
    workflow: AnyWorkflow | string,
    input: unknown,
    options: StartOptions,
    messages?: readonly FirstMessage[],
  ): Promise<Begun> {
    const definition = this.#definition(workflow, options.version);
    const workflowId = options.id ?? options.idempotencyKey ?? randomUUID();
    if (workflowId === "" || workflowId.length > MAX_NAME || CONTROL.test(workflowId))
      throw new PerdureError(
        "INVALID_ARGUMENT",
        `a workflow id must have 1 to ${MAX_NAME} characters, none of them control characters`,
      );
    return this.#start(definition, workflowId, input, options, messages);
  }

  /** Puts a message into the inbox of the open run of the id, or of a new one. */
  async deliver(
    workflow: AnyWorkflow,
    input: unknown,
    options: StartOptions,
    message: FirstMessage,
  ): Promise<Begun & { readonly number: number }> {
    if (options.id === undefined)
      throw new PerdureError("INVALID_ARGUMENT", "a start that brings a message along needs the id of the run");
    for (;;) {
      const begun = await this.start(workflow, input, { ...options, conflict: "attach" }, [message]);
      if (begun.fresh) return { ...begun, number: 1 };
      const sent = await this.#host.store.send({ ...message, run: begun.run });
      if ("number" in sent) {
        this.#host.hint(begun.run);
        return { ...begun, number: sent.number };
      }
    }
  }

  #definition(workflow: AnyWorkflow | string, version: string | undefined): AnyWorkflow {
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
    options: StartOptions,
    messages?: readonly FirstMessage[],
  ): Promise<Begun> {
    const request =
      options.idempotencyKey === undefined ? null : this.#request(options.idempotencyKey, workflow.name, input);
    let supersedes: number | null = null;
    for (;;) {
      const result = await this.#engine.start({
        workflow,
        workflowId,
        input,
        delayMs: options.delay === undefined ? 0 : durationMs(options.delay, "delay"),
        timeoutMs: options.timeout === undefined ? workflow.timeoutMs : durationMs(options.timeout, "timeout"),
        secrets: options.secrets ?? {},
        meta: options.meta === undefined ? null : JSON.stringify(options.meta),
        request,
        supersedes,
        tags: textTags(options.tags ?? {}),
        ...(messages !== undefined && { messages }),
      });
      if ("run" in result)
        return { handle: new RunHandle(this.#host, workflowId, result.run), run: result.run, fresh: true };
      const attached = await this.#conflict(result.conflict, workflow, request, options);
      if (attached) {
        this.#engine.hint(result.conflict.run);
        const { run } = result.conflict;
        return { handle: new RunHandle(this.#host, workflowId, run), run, fresh: false };
      }
      supersedes = result.conflict.run;
    }
  }

  /** A run has the id already. True: that one is meant. False: it may be replaced. */
  async #conflict(row: RunRow, workflow: AnyWorkflow, request: string | null, options: StartOptions): Promise<boolean> {
    const { workflowId } = row;
    if (request !== null && row.request !== null && request.split(":")[0] === row.request.split(":")[0]) {
      if (request === row.request) return true;
      throw new PerdureError(
        "CONFLICT",
        `the idempotency key of ${workflowId} was used before with another workflow or input`,
        { details: { workflowId } },
      );
    }
    if (!isClosed(row.status)) return this.#openConflict(row, workflow, options);
    const reuse = options.reuse ?? "allow";
    if (reuse === "allow" || (reuse === "failed-only" && row.status !== "completed")) return false;
    throw new PerdureError("ALREADY_EXISTS", `${workflowId} has run before (${row.status}) and reuse is ${reuse}`, {
      details: { workflowId, status: row.status },
    });
  }

  async #openConflict(row: RunRow, workflow: AnyWorkflow, options: StartOptions): Promise<boolean> {
    const { workflowId } = row;
    if (options.conflict === "attach") {
      if (row.workflow === workflow.name) return true;
      throw new PerdureError("CONFLICT", `${workflowId} is a run of ${row.workflow}, not of ${workflow.name}`, {
        details: { workflowId },
      });
    }
    if (options.conflict !== "terminate") {
      throw new PerdureError(
        "ALREADY_EXISTS",
        `a run with the id ${workflowId} is open (${row.status}); use conflict: "attach" to get its handle, or "terminate" to replace it`,
        {
          details: { workflowId, status: row.status },
        },
      );
    }
    const handle = new RunHandle(this.#host, workflowId, row.run);
    await handle.terminate("replaced by a new start");
    while (!isClosed(await handle.status())) await this.#host.changed(row.run, 50);
    return false;
  }

  /** Rule 28: a keyed hash of what is asked for, kept as long as the run. */
  #request(key: string, workflow: string, input: unknown): string {
    const mac = (text: string): string =>
      createHmac("sha256", this.#host.store.id).update(text).digest("hex").slice(0, 32);
    return `${mac(key)}:${mac(`${workflow}\n${encodePayload(input)}`)}`;
  }
}

function textTags(tags: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, String(value)]));
}
