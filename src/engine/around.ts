/** The seam around attempts: somebody who watches them begin and end, and may put something in their place. For test kits. */
import type { CommandKind } from "../core/events.ts";
import type { ActivityContext } from "../workflow/activity.ts";

/** An attempt that is about to begin. */
export interface Attempt {
  readonly kind: CommandKind;
  /** Name of the activity or step. */
  readonly name: string;
  readonly input: unknown;
  readonly context: ActivityContext;
}

/** Stands around every attempt: answers with what the attempt returns, which is `carryOut()` unless something takes its place. */
export type Around = (attempt: Attempt, carryOut: () => unknown) => unknown;
