/** `wf.child` and `wf.spawn`: children as commands of the parent's machine. */
import { digest } from "../core/digest.ts";
import { PerdureError } from "../core/errors.ts";
import type { Machine, StartedChild } from "../core/machine.ts";
import { checkedId } from "../core/names.ts";
import { checkWord } from "../core/options.ts";
import { encodeInput } from "../core/payload.ts";
import { validatedNow } from "../core/schema.ts";
import { textTags } from "../core/tags.ts";
import { Vouched } from "../core/vouched.ts";
import type { ChildHandle, ChildOptions } from "../workflow/context.ts";
import { type AnyWorkflow, isWorkflow } from "../workflow/workflow.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { ContextHost } from "./context-host.ts";
import { peerHandle } from "./peer.ts";
import { currentScope } from "./run-scope.ts";

/** The input of a child as it is recorded. @throws PerdureError `INVALID_ARGUMENT` */
function validInput({ name, input: schema }: AnyWorkflow, input: unknown): unknown {
  if (input instanceof Vouched) return input.value;
  return schema === undefined ? input : validatedNow(schema, input, `the input of workflow ${name}`);
}

const ON_PARENT_CLOSE = ["cancel", "terminate", "abandon"];

export class ChildCalls {
  readonly #machine: Machine<CommandSpec>;
  readonly #host: ContextHost;

  constructor(machine: Machine<CommandSpec>, host: ContextHost) {
    this.#machine = machine;
    this.#host = host;
  }

  child(target: AnyWorkflow | string, input: unknown, options: ChildOptions): Promise<unknown> {
    return this.#issue(target, input, options, false);
  }

  spawn(target: AnyWorkflow | string, input: unknown, options: ChildOptions): Promise<ChildHandle<unknown>> {
    const before = this.#machine.commands;
    const result = this.#issue(target, input, options, true);
    result.catch(() => {});
    return new Promise((resolve, reject) => {
      const started = ({ workflowId, runId }: StartedChild): void =>
        resolve({ ...peerHandle(this.#machine, this.#host, workflowId), runId, result: () => result });
      if (this.#machine.commands > before) this.#machine.onChildStarted(started);
      result.catch(reject);
    });
  }

  #issue(target: AnyWorkflow | string, input: unknown, options: ChildOptions, spawned: boolean): Promise<unknown> {
    try {
      if (typeof target !== "string" && !isWorkflow(target))
        throw new PerdureError("INVALID_ARGUMENT", "a child is a workflow or the name of one");
      checkWord(options.onParentClose, ON_PARENT_CLOSE, "onParentClose");
      const workflow = this.#host.workflow(target);
      if (workflow === undefined) return this.#unknown(target);
      const payload = encodeInput(validInput(workflow, input));
      const { id, timeout, onParentClose, tags } = options;
      if (id !== undefined) checkedId(id, "the id of a child");
      const texts = tags === undefined ? undefined : { tags: textTags(tags) };
      const asked = JSON.stringify([id, timeout, onParentClose, tags, spawned]);
      return this.#machine.issue({
        scope: currentScope(),
        kind: "child",
        name: workflow.name,
        label: options.label,
        inputDigest: digest(`${payload}\n${asked}`),
        spec: { workflow, input: payload, options: { ...options, ...texts }, spawned },
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #unknown(target: AnyWorkflow | string): Promise<never> {
    const name = typeof target === "string" ? target : target.name;
    const message = `no workflow ${JSON.stringify(name)} is registered with this engine, which could go on with the child after a restart; add it to the workflows given to open() and resume the run`;
    this.#machine.block({ reason: "unknown_workflow", message, missing: name });
    return Promise.reject(new PerdureError("NOT_FOUND", message));
  }
}
