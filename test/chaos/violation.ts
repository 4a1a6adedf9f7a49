/** Something that must not be, with what shows it. */
export interface Violation {
  /** The invariant of ARCHITECTURE.md that does not hold. */
  readonly rule: string;
  readonly what: string;
  /** Workflow id of the run it was found in. */
  readonly run: string | undefined;
  /** Rows of tables and lines of logs. */
  readonly evidence: readonly unknown[];
}

/** Collects violations of one kind of check. */
export class Findings {
  readonly all: Violation[] = [];

  /** @param run workflow id */
  add(rule: string, run: string | undefined, what: string, evidence: readonly unknown[] = []): void {
    this.all.push({ rule, run, what, evidence });
  }
}
