/** A start, from what the caller asks for to the row and first event of the run. */
import { newEvent } from "../core/events.ts";
import { encodePayload, type PayloadCodec } from "../core/payload.ts";
import type { FirstMessage, NewRun, ParentLink } from "../store/store.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { assertNoSecret, type Secrets } from "./secrets.ts";

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
  readonly supersedes: number | null;
  readonly tags: Readonly<Record<string, string>>;
  /** Set for a child. */
  readonly parent?: ParentLink & { readonly runId: string };
  /** In the inbox from the beginning. */
  readonly messages?: readonly FirstMessage[];
}

/**
 * The run to be created.
 *
 * @param stopped its workflow is paused: nobody owns the run, it begins when somebody claims it.
 * @throws PerdureError `UNSERIALISABLE`, `PAYLOAD_TOO_LARGE`, `SECRET_LEAK` for the input.
 */
export function newRun(
  spec: StartSpec,
  createdAt: number,
  codec: PayloadCodec | undefined,
  seal: (text: string) => string,
  stopped = false,
): NewRun {
  const { workflow, workflowId, secrets, delayMs } = spec;
  const owned = delayMs === 0 && !stopped;
  const input = encodePayload(spec.input, codec);
  assertNoSecret(secrets, input, "the input");
  const deadline = deadlineOf(spec, createdAt);
  const { parent, messages, tags } = spec;
  const about = {
    workflow: workflow.name,
    version: workflow.version,
    workflowId,
    input,
    deadline,
    parent: parent?.runId,
  };
  const { type, at, body } = newEvent.runStarted(createdAt + delayMs, about);
  return {
    workflowId,
    workflow: workflow.name,
    version: workflow.version ?? null,
    createdAt,
    owned,
    wakeAt: owned ? null : createdAt + delayMs,
    first: { type, at, data: `{${body}}` },
    meta: spec.meta,
    request: spec.request,
    secrets: hasAny(secrets) ? seal(JSON.stringify(secrets)) : null,
    supersedes: spec.supersedes,
    ...(messages !== undefined && messages.length > 0 && { messages }),
    ...(hasAny(tags) && { tags: JSON.stringify(tags) }),
    ...(parent !== undefined && { parent: linkOf(parent) }),
  };
}

function linkOf({ run, command, generation, onClose }: ParentLink): ParentLink {
  return { run, command, generation, onClose };
}

/** When a run that is started now times out. */
export function deadlineOf(spec: StartSpec, createdAt: number): number | undefined {
  return spec.timeoutMs === undefined ? undefined : createdAt + spec.delayMs + spec.timeoutMs;
}

function hasAny(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return true;
  return false;
}
