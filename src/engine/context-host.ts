/** The seam between the context of a run and the engine. */
import type { AnyActivity } from "../workflow/activity.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";

/** What the context needs from the engine. */
export interface ContextHost {
  /** The activity registered under a name. */
  activity(name: string): AnyActivity | undefined;
  /** The queue whose tasks the attempts of an activity are, or undefined when they run where their run is. */
  taskQueue(activity: string, known: boolean): string | undefined;
  /** Remembers the schema of an activity's output, for whoever completes it from outside. */
  outputs(one: AnyActivity): void;
  /** Makes an activity known by its name. */
  provide(one: AnyActivity): void;
  /** The workflow that a start of this one, or of one of this name, gets; undefined when the engine does not have it. */
  workflow(of: string | AnyWorkflow): AnyWorkflow | undefined;
  /** Puts a message into the inbox of the current run of a workflow id; once for each key. */
  send(
    workflowId: string,
    kind: "signal" | "cancel" | "terminate",
    name: string,
    value: unknown,
    key: string,
  ): Promise<void>;
  /** A token that nobody else can make, and where to post to with it. */
  callbackToken(runId: string, nonce: string): string;
  callbackUrl(token: string): string | undefined;
}
