/** What can be seen of a run and its children from outside: told by the engine's store, and by the model. */

export interface Observation {
  readonly status: string;
  /** Result, or word of the error. */
  readonly outcome: unknown;
  /** Attempts that began, as `time workflowId/id#attempt`. */
  readonly begun: readonly string[];
  /** What became of each move of the script that has an answer, by its place. */
  readonly answers: Readonly<Record<string, unknown>>;
  /** Statuses by workflow id. */
  readonly runs: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** Signals that release whatever a run may still wait for. */
export const RELEASES: readonly string[] = ["go", "stop", "poke"];
