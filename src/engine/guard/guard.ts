/**
 * What happens when workflow code uses something that does not replay: an error, or a warning once per place. One per engine;
 * what notices such uses is patched into the process once for all engines (see installation.ts).
 */
import { PerdureError } from "../../core/errors.ts";
import type { Logger } from "../../workflow/logger.ts";

/** How strict an engine is with workflow code. */
export type GuardMode = "error" | "warn" | "off";

const MODES: readonly GuardMode[] = ["error", "warn", "off"];

/** Something that does not replay, used by workflow code. */
export interface Use {
  /** What was used: `setTimeout`, `fs.readFileSync`, `process.env.HOME`. */
  readonly what: string;
  /** File, line and column of the author's code, as far as the stack tells. */
  readonly place: string | undefined;
  /** The whole story for people. */
  readonly message: string;
}

/** Code of a run, as its guard sees it. */
export interface GuardedCode {
  readonly guard: Guard;
  readonly facts: { readonly workflow: string; readonly workflowId: string; readonly runId: string };
  /** The run's time, how many commands its code has issued, and the run whose random numbers it draws. */
  readonly machine: { readonly now: number; readonly commands: number; readonly drawnAs: string };
}

/** Places that were warned about are remembered up to this many: they are positions in code. */
const MAX_PLACES = 10_000;

export class Guard {
  readonly #mode: Exclude<GuardMode, "off">;
  readonly #log: Logger;
  readonly #told = new Set<string>();

  constructor(mode: Exclude<GuardMode, "off">, log: Logger) {
    this.#mode = mode;
    this.#log = log;
  }

  /** The guard of an engine, if it has one. @throws PerdureError `INVALID_ARGUMENT`. */
  static of(mode: GuardMode, log: Logger): Guard | undefined {
    if (!MODES.includes(mode))
      throw new PerdureError("INVALID_ARGUMENT", `guard is ${MODES.join(", ")}, not ${JSON.stringify(mode)}`);
    return mode === "off" ? undefined : new Guard(mode, log);
  }

  /** The error to throw; undefined when a warning is all there is. */
  judge(
    { what, place, message }: Use,
    { workflow, workflowId, runId }: GuardedCode["facts"],
  ): PerdureError | undefined {
    if (this.#mode === "error") return new PerdureError("NONDETERMINISTIC", message, { details: { what, place } });
    const key = place ?? what;
    if (this.#told.has(key) || this.#told.size >= MAX_PLACES) return undefined;
    this.#told.add(key);
    this.#log.warn({ workflow, workflowId, runId, what, place }, message);
    return undefined;
  }
}
