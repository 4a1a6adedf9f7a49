/**
 * Messages to the database thread: a number, then records one after the other in one flat array, each led by its kind.
 * The answer is the number.
 */

export const RECORD = {
  /** run, workflow id, input */
  runStarted: 0,
  /** run, seq, type, at, data */
  event: 1,
  /** run, result */
  runEnded: 2,
} as const;

export type Flat = (string | number)[];

/** What the database thread is started with. */
export interface ThreadInput {
  readonly path: string;
  readonly durability: "full" | "relaxed";
}
