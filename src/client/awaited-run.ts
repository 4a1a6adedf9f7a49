/** A run that was asked for inside somebody's transaction: it exists once that has committed and an engine has admitted the start. */
import { PerdureError } from "../core/errors.ts";
import type { Refused } from "../engine/admitter.ts";
import type { Ticket } from "../store/admissions.ts";
import type { HandleHost } from "./handle-host.ts";

/** How long calls that need the run wait for it, unless they have a limit of their own. */
const PATIENCE_MS = 10_000;
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 1000;
/** What is told to those who wait for admissions, of whatever run. */
const ANY_ADMISSION = 0;

export class AwaitedRun {
  readonly #host: HandleHost;
  readonly #workflowId: string;
  readonly ticket: Ticket;

  constructor(host: HandleHost, workflowId: string, ticket: Ticket) {
    this.#host = host;
    this.#workflowId = workflowId;
    this.ticket = ticket;
  }

  /**
   * The run's number; undefined while it is not there.
   *
   * @throws PerdureError what the start was refused with; `NOT_FOUND` when it was rolled back.
   */
  async look(): Promise<number | undefined> {
    const fate = await this.#host.store.admissions!.fate(this.ticket);
    if (fate === "open") return undefined;
    if (fate === "gone")
      throw new PerdureError(
        "NOT_FOUND",
        `${this.#workflowId} was not started: the transaction that asked for it was rolled back (or that is a week ago: then ask for its handle)`,
        { details: { workflowId: this.#workflowId } },
      );
    if ("refused" in fate) {
      const { code, message, details } = JSON.parse(fate.refused) as Refused;
      throw new PerdureError(code, message, { details });
    }
    this.#host.hint(fate.run);
    return fate.run;
  }

  /** Waits for the run until `limit`. @throws PerdureError as {@link look}, `WAIT_TIMED_OUT` */
  async arrive(limit: number = this.#host.now() + PATIENCE_MS): Promise<number> {
    for (let look = FIRST_LOOK_MS; ; look = Math.min(look * 2, LAST_LOOK_MS)) {
      const left = limit - this.#host.now();
      const change = this.#host.changed(ANY_ADMISSION, Math.max(1, Math.min(look, left)));
      const run = await this.look();
      if (run !== undefined) return run;
      if (left <= 0) throw this.#late();
      await change;
    }
  }

  #late(): PerdureError {
    return new PerdureError(
      "WAIT_TIMED_OUT",
      `${this.#workflowId} has not been started yet: the transaction that asked for it must commit, and an engine must be running`,
      { details: { workflowId: this.#workflowId } },
    );
  }

  /** There is no run id yet. */
  unknown(): PerdureError {
    return new PerdureError(
      "NOT_FOUND",
      `${this.#workflowId} has no run id yet: it is started after the transaction that asked for it; await a call like describe() first`,
      { details: { workflowId: this.#workflowId } },
    );
  }
}
