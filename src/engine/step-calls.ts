/** `wf.call`, `wf.step` and `wf.transaction`: steps as commands of the run's machine. */
import { digest } from "../core/digest.ts";
import { PerdureError, wrongArgument } from "../core/errors.ts";
import type { CommandKind } from "../core/events.ts";
import { described } from "../core/foreign.ts";
import type { Machine } from "../core/machine.ts";
import { encodeInput, type Payload } from "../core/payload.ts";
import type { StoreTransaction } from "../core/sql-transaction.ts";
import {
  type ActivityConfig,
  type ActivityContext,
  type AnyActivity,
  activityParts,
  DEFAULT_CONFIG,
  isActivity,
} from "../workflow/activity.ts";
import type { StepOptions } from "../workflow/context.ts";
import { withOptions } from "./call-options.ts";
import type { CommandSpec, StepSpec } from "./command-spec.ts";
import type { ContextHost } from "./context-host.ts";
import { currentScope } from "./run-scope.ts";
import { validCall } from "./valid-call.ts";

interface StepCall {
  readonly kind: CommandKind;
  readonly name: string;
  readonly run: StepSpec["run"];
  readonly input: Payload | undefined;
  readonly base: ActivityConfig;
  readonly options: StepOptions | undefined;
  readonly queue?: string | undefined;
  readonly unchecked?: boolean;
}

export class StepCalls {
  readonly #machine: Machine<CommandSpec>;
  readonly #host: ContextHost;

  constructor(machine: Machine<CommandSpec>, host: ContextHost) {
    this.#machine = machine;
    this.#host = host;
  }

  call(target: AnyActivity | string, input: unknown, options: StepOptions | undefined): Promise<unknown> {
    try {
      if (typeof target !== "string" && !isActivity(target))
        throw wrongArgument("wf.call", "an activity or the name of one");
      const known = typeof target === "string" ? this.#host.activity(target) : target;
      const name = known === undefined ? (target as string) : known.activityName;
      const queue = this.#host.taskQueue(name, known !== undefined);
      if (known === undefined && queue === undefined) return this.#unknown(name);
      if (queue !== undefined && known !== undefined) this.#host.provide(known);
      if (known === undefined)
        return this.#issue({ kind: "activity", name, input: encodeInput(input), options, queue, ...ELSEWHERE });
      const { run, config: base } = activityParts(known);
      if (base.input === undefined && base.output === undefined)
        return this.#issue({ kind: "activity", name, run, input: encodeInput(input), base, options, queue });
      this.#host.outputs(known);
      const call = validCall(known, input, options);
      return this.#issue({ kind: "activity", name, base, options, queue, ...call });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  step(name: string, fn: (ctx: ActivityContext) => unknown, options: StepOptions | undefined): Promise<unknown> {
    try {
      if (typeof fn !== "function") throw wrongArgument(`wf.step ${described(name)}`, "a name and a function");
      const run = (_: never, ctx: ActivityContext): unknown => fn(ctx);
      return this.#issue({ kind: "inline", name, run, input: undefined, base: DEFAULT_CONFIG, options });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  transaction(
    name: string,
    fn: (tx: StoreTransaction) => Promise<unknown>,
    options: StepOptions | undefined,
  ): Promise<unknown> {
    try {
      if (typeof fn !== "function") throw wrongArgument(`wf.transaction ${described(name)}`, "a name and a function");
      const run = (): never => {
        throw new PerdureError("INTERNAL", `transaction ${name} was run outside of the store`);
      };
      const call = { name, run, input: undefined, base: DEFAULT_CONFIG, options };
      return this.#issue({ kind: "transaction", ...call }, fn);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #issue(
    { kind, name, run, input, base, options, queue, unchecked }: StepCall,
    transaction?: StepSpec["transaction"],
  ): Promise<unknown> {
    if (options === undefined) {
      const spec: StepSpec = {
        run,
        input,
        extra: undefined,
        secretInputs: undefined,
        config: base,
        ...(transaction !== undefined && { transaction }),
        ...(queue !== undefined && { queue, unchecked }),
      };
      return this.#machine.issue({
        scope: currentScope(),
        kind,
        name,
        inputDigest: input === undefined ? "" : digest(input),
        spec,
        errors: base.errors,
      });
    }
    const extra = options.extra === undefined ? undefined : encodeInput(options.extra);
    const secretInputs =
      options.secretInputs === undefined || options.secretInputs.length === 0 ? undefined : options.secretInputs;
    const parts = `${input ?? ""}${extra === undefined ? "" : `\n${extra}`}${secretInputs === undefined ? "" : `\n${JSON.stringify(secretInputs)}`}`;
    const spec: StepSpec = {
      run,
      input,
      extra,
      secretInputs,
      config: withOptions(base, options, name),
      ...(transaction !== undefined && { transaction }),
      ...(queue !== undefined && { queue, unchecked }),
    };
    return this.#machine.issue({
      scope: currentScope(),
      kind,
      name,
      label: options.label,
      inputDigest: digest(parts),
      spec,
      errors: base.errors,
    });
  }

  #unknown(name: string): Promise<never> {
    const message = `no activity ${JSON.stringify(name)} is registered with this engine; add it to the activities given to open() (or to --agents) and resume the run`;
    this.#machine.block({ reason: "unknown_activity", message, missing: name });
    return Promise.reject(new PerdureError("NOT_FOUND", message));
  }
}

/** An activity that only other engines have: what it says itself of limits is known there. */
const ELSEWHERE: Pick<StepCall, "run" | "base" | "unchecked"> = {
  run: () => {
    throw new PerdureError("NOT_FOUND", "this activity runs on other engines only");
  },
  base: { ...DEFAULT_CONFIG, timeoutMs: Number.POSITIVE_INFINITY },
  unchecked: true,
};
