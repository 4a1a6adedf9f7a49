/** A start, from what the caller asks for to the row and first event of the run. */
import { newEvent } from "../core/events.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import type { FirstMessage, NewRun, ParentLink } from "../store/store.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { ASK_FOR_SECRETS, encodeWithoutSecrets, type Secrets } from "./secrets.ts";

/** What a run is started with, complete. */
export interface StartSpec {
  readonly workflow: AnyWorkflow;
  readonly workflowId: string;
  readonly input: unknown;
  readonly delayMs: number;
  readonly timeoutMs: number | undefined;
  readonly secrets: Secrets;
  readonly meta: string | null;
  readonly request: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** Set for a child. */
  readonly parent?: ParentLink & { readonly runId: string };
  /** In the inbox from the beginning. */
  readonly messages?: readonly FirstMessage[];
}

/** A start with everything checked, encoded and sealed: plain data, of which a run can be made at any time and by anybody. */
export interface PreparedStart {
  readonly workflow: string;
  readonly version: string | null;
  readonly workflowId: string;
  readonly input: Payload;
  readonly delayMs: number;
  readonly timeoutMs: number | null;
  readonly secrets: string | null;
  readonly meta: string | null;
  readonly request: string | null;
  readonly tags: string | null;
}

/** @throws PerdureError `UNSERIALISABLE`, `PAYLOAD_TOO_LARGE`, `SECRET_LEAK` for the input. */
export function prepareStart(
  spec: StartSpec,
  codec: PayloadCodec | undefined,
  seal: (text: string) => string,
): PreparedStart {
  const { workflow, workflowId, secrets, delayMs, timeoutMs = null, meta, request, tags } = spec;
  const input = encodeWithoutSecrets(secrets, spec.input, codec, "the input", ASK_FOR_SECRETS);
  return {
    workflow: workflow.name,
    version: workflow.version ?? null,
    workflowId,
    input,
    delayMs,
    timeoutMs,
    secrets: hasAny(secrets) ? seal(JSON.stringify(secrets)) : null,
    meta,
    request,
    tags: hasAny(tags) ? JSON.stringify(tags) : null,
  };
}

/**
 * The run to be created.
 *
 * @param supersedes the closed run that gives its workflow id to this one.
 * @param stopped its workflow is paused: nobody owns the run, it begins when somebody claims it.
 * @throws PerdureError `UNSERIALISABLE`, `PAYLOAD_TOO_LARGE`, `SECRET_LEAK` for the input.
 */
export function newRun(
  spec: StartSpec,
  createdAt: number,
  codec: PayloadCodec | undefined,
  seal: (text: string) => string,
  supersedes: number | null,
  stopped = false,
): NewRun {
  const owned = spec.delayMs === 0 && !stopped;
  return runOf(prepareStart(spec, codec, seal), createdAt, owned, supersedes, spec);
}

/** The run of a start that was prepared before. */
export function runOf(
  start: PreparedStart,
  createdAt: number,
  owned: boolean,
  supersedes: number | null,
  { parent, messages }: Pick<StartSpec, "parent" | "messages"> = {},
): NewRun {
  const { workflow, version, workflowId, input, delayMs, meta, request, secrets, tags } = start;
  const about = {
    workflow,
    version: version ?? undefined,
    workflowId,
    input,
    deadline: deadlineOf(start, createdAt),
    parent: parent?.runId,
  };
  const { type, at, body } = newEvent.runStarted(createdAt + delayMs, about);
  return {
    workflowId,
    workflow,
    version,
    createdAt,
    owned,
    wakeAt: owned ? null : createdAt + delayMs,
    first: { type, at, data: `{${body}}` },
    meta,
    request,
    secrets,
    supersedes,
    ...(messages !== undefined && messages.length > 0 && { messages }),
    ...(tags !== null && { tags }),
    ...(parent !== undefined && { parent: linkOf(parent) }),
  };
}

function linkOf({ run, command, generation, onClose }: ParentLink): ParentLink {
  return { run, command, generation, onClose };
}

/** When a run that is started now times out. */
export function deadlineOf(
  { delayMs, timeoutMs }: { readonly delayMs: number; readonly timeoutMs?: number | null | undefined },
  createdAt: number,
): number | undefined {
  return timeoutMs === undefined || timeoutMs === null ? undefined : createdAt + delayMs + timeoutMs;
}

function hasAny(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return true;
  return false;
}
