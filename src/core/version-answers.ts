/** The answers `version` gives: recorded ones again, the old one where older code has been, else the newest (rule 7). */
import type { Past } from "./past.ts";

/** Where in its history a run is. */
export interface Position {
  readonly commands: number;
  readonly applied: number;
}

type Answer = readonly [commands: number, version: number];

export class VersionAnswers {
  readonly #given = new Map<string, Answer[]>();
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
    const known = this.#known(id, here.commands);
    if (known !== undefined) return known;
    if (this.#isOld(here)) return 0;
    if (fresh === undefined) return max;
    const answers = this.#given.get(id) ?? [];
    answers.push([here.commands, max]);
    this.#given.set(id, answers);
    fresh();
    return max;
  }

  #known(id: string, commands: number): number | undefined {
    const before = ([at]: Answer): boolean => at <= commands;
    const answer = this.#given.get(id)?.findLast(before) ?? this.#past?.versions.get(id)?.findLast(before);
    return answer?.[1];
  }

  /** Whether the code as it was before has been here, as far as anything recorded tells. */
  #isOld({ commands, applied }: Position): boolean {
    return this.#past !== undefined && (commands < this.#past.commands || applied < this.#past.events);
  }
}
