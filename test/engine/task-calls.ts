/** An activity whose calls tests hold in their hands, and a run that calls it once. */
import type { ActivityContext } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";

/** Calls of an activity that end when they are told to. */
export class Calls {
  readonly contexts: ActivityContext[] = [];
  readonly inputs: unknown[] = [];
  readonly #ends: ((value: unknown) => void)[] = [];
  readonly #fails: ((error: Error) => void)[] = [];

  readonly handler = (input: unknown, ctx: ActivityContext): Promise<unknown> => {
    this.contexts.push(ctx);
    this.inputs.push(input);
    return new Promise((resolve, reject) => {
      this.#ends.push(resolve);
      this.#fails.push(reject);
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
    });
  };

  end(at: number, value: unknown): void {
    this.#ends[at]!(value);
  }

  fail(at: number, error: Error): void {
    this.#fails[at]!(error);
  }
}

export const extractOnce = workflow("once", (wf, input: unknown) => wf.call("etl/extract", input));
