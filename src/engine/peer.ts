/** Messages from one run to another: steps that put something into an inbox, once however often they are repeated. */
import { digest } from "../core/digest.ts";
import { messageName } from "../core/handlers.ts";
import type { Machine } from "../core/machine.ts";
import { checkedText, nameOf } from "../core/names.ts";
import { decodePayload, encodeInput } from "../core/payload.ts";
import { retryPolicy } from "../core/retry-policy.ts";
import { validatedNow } from "../core/schema.ts";
import { Vouched } from "../core/vouched.ts";
import { type ActivityConfig, type ActivityContext, DEFAULT_CONFIG } from "../workflow/activity.ts";
import type { PeerHandle } from "../workflow/context.ts";
import type { Signal } from "../workflow/signal.ts";
import type { CommandSpec, StepSpec } from "./command-spec.ts";
import type { ContextHost } from "./context-host.ts";
import { currentScope } from "./run-scope.ts";

/** The store being away is waited for; everything else is an answer. */
const CONFIG: ActivityConfig = {
  ...DEFAULT_CONFIG,
  retry: retryPolicy({ maxAttempts: Number.POSITIVE_INFINITY, on: ["UNAVAILABLE"] }),
};

/** A handle by which workflow code tells another run something. */
export function peerHandle(machine: Machine<CommandSpec>, host: ContextHost, workflowId: string): PeerHandle {
  checkedText(workflowId, "the workflow id of a handle");
  const send = (kind: "signal" | "cancel" | "terminate", value: unknown, signal?: unknown): Promise<void> => {
    try {
      const name = kind === "signal" ? nameOf(signal, "a signal") : "";
      const { input: schema } = (typeof signal === "object" ? signal : {}) as Signal<unknown>;
      const valid = schema === undefined ? value : validatedNow(schema, value, messageName("signal", name));
      const input = encodeInput(valid === undefined ? null : valid);
      const given = (): unknown => {
        const decoded = decodePayload(input);
        return schema === undefined ? decoded : new Vouched(decoded);
      };
      const run = (_: never, ctx: ActivityContext): Promise<void> =>
        host.send(workflowId, kind, name, given(), ctx.idempotencyKey);
      const spec: StepSpec = { run, input: undefined, extra: undefined, secretInputs: undefined, config: CONFIG };
      return machine.issue({
        scope: currentScope(),
        kind: "message",
        name: `${kind} ${name}`.trim(),
        label: undefined,
        inputDigest: digest(`${workflowId}\n${input}`),
        spec,
      }) as Promise<void>;
    } catch (error) {
      return Promise.reject(error);
    }
  };
  return {
    workflowId,
    signal: (signal, ...[payload]) => send("signal", payload, signal),
    cancel: (reason = "") => send("cancel", reason),
    terminate: (reason = "") => send("terminate", reason),
  };
}
