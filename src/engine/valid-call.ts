/** What workflow code gives to activities and answers to messages, by their schemas: at once, as nothing can be waited for there. */
import { encodeInput, type Payload } from "../core/payload.ts";
import { invalidOutput, type StandardSchemaV1, validatedNow } from "../core/schema.ts";
import { type ActivityContext, type AnyActivity, activityParts, uncheckedRun } from "../workflow/activity.ts";
import type { StepOptions } from "../workflow/context.ts";

/** The input of an activity as it is recorded, and what runs on it. */
interface ValidCall {
  readonly run: (input: never, ctx: ActivityContext) => unknown;
  readonly input: Payload;
  readonly unchecked?: true;
}

/**
 * A call of an activity that has schemas. An input that secrets are to be filled into is validated by the attempt: it is not complete here.
 *
 * @throws PerdureError `INVALID_ARGUMENT`
 */
export function validCall(activity: AnyActivity, input: unknown, options: StepOptions | undefined): ValidCall {
  const { config, run } = activityParts(activity);
  if (config.input === undefined) return { run, input: encodeInput(input) };
  if ((options?.secretInputs?.length ?? 0) > 0)
    return { run: uncheckedRun(activity), input: encodeInput(input), unchecked: true };
  const what = `the input of activity ${activity.activityName}`;
  return { run, input: encodeInput(validatedNow(config.input, input, what)) };
}

/** A handler whose answer goes through the schema of its token. */
export function withAnswer<I>(
  token: { readonly kind: string; readonly name: string; readonly output?: StandardSchemaV1 | undefined },
  handler: (input: I) => unknown,
): (input: I) => unknown {
  const { output, kind, name } = token;
  if (output === undefined) return handler;
  const valid = (answer: unknown): unknown =>
    validatedNow(output, answer, `the answer of ${kind} ${name}`, invalidOutput);
  if (kind === "query") return (input) => valid(handler(input));
  return async (input) => valid(await handler(input));
}
