/** The answers `version` gives: recorded ones again, the old one where older code has been, else the newest (rule 7). */
import type { Past, VersionAnswer } from "./past.ts";

/** Where in its history a run is. */
export interface Position {
  readonly commands: number;
  readonly applied: number;
  /** Number of the last message applied. */
  readonly message: number;
}

export class VersionAnswers {
  readonly #given = new Map<string, VersionAnswer[]>();
  #past: Past | undefined;

  /** What is known about the history that is going to be applied. */
  recall(past: Past): void {
    this.#past = past;
  }

  /**
   * The version of a change at this position. `fresh` is told when it is decided now and has to be recorded; without it (code that only
   * reads) nothing is decided for later.
   */
  at(id: string, here: Position, max: number, fresh: (() => void) | undefined): number {
    const known = this.#known(id, here);
    if (known !== undefined) return known;
    if (this.#isOld(here)) return 0;
    if (fresh === undefined) return max;
    const answers = this.#given.get(id) ?? [];
    answers.push({ commands: here.commands, message: here.message, version: max });
    this.#given.set(id, answers);
    fresh();
    return max;
  }

  #known(id: string, { commands, message }: Position): number | undefined {
    const before = (given: VersionAnswer): boolean =>
      given.commands < commands || (given.commands === commands && given.message <= message);
    const answer = this.#given.get(id)?.findLast(before) ?? this.#past?.versions.get(id)?.findLast(before);
    return answer?.version;
  }

  /**
   * Whether the code as it was before has been here, as far as anything recorded tells. A message in the history has been handled: a
   * handler that issues no command leaves no other trace.
   */
  #isOld({ commands, applied, message }: Position): boolean {
    const past = this.#past;
    if (past === undefined) return false;
    return (
      commands < past.commands || applied < past.events || (applied === past.events && message === past.lastMessage)
    );
  }
}
