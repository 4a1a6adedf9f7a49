/**
 * Whoever starts runs under one workflow id again and again, and resumes or forks those that have ended when they may be deleted at any
 * moment. What was answered is kept for the checks.
 */

import { isPerdureError, type PerdureError } from "../../src/core/errors.ts";
import { place, whenTaken } from "../../src/engine/taken-id.ts";
import type { EventRow, RunRow, StartResult } from "../../src/store/store.ts";
import { Calls, type ClientHost, closed, follow, handleOf } from "./calls.ts";
import { definitionOf } from "./catalogue.ts";
import type { EngineProcess } from "./engine-process.ts";
import type { Rng } from "./prng.ts";
import type { LifeScript, MeddlingScript, TenantScript } from "./retention-workload.ts";

export interface TenantHost extends ClientHost {
  /** The row of a run, if it is there. */
  rowOf(run: number): Promise<RunRow | undefined>;
  eventsOf(run: number): readonly EventRow[];
  /** How long a run like this is kept; undefined: for ever. */
  keptMs(row: RunRow): number | undefined;
}

/** A fork that was made. */
export interface MadeFork {
  readonly of: number;
  readonly run: number;
  readonly from: number;
}

const LOOK_EVERY_MS = 300;
const KEPT_FOR_EVER_MS = 2000;
const LONGEST_WAIT_MS = 60_000;

export class Tenant {
  readonly script: TenantScript;
  readonly #host: TenantHost;
  readonly #calls: Calls;
  readonly started: number[] = [];
  /** Runs that were resumed, and how often. */
  readonly resumed = new Map<number, number>();
  readonly forks: MadeFork[] = [];
  #left = 0;

  constructor(script: TenantScript, host: TenantHost, rng: Rng) {
    this.script = script;
    this.#host = host;
    this.#calls = new Calls(script.id, host, rng);
  }

  get done(): boolean {
    return this.#left === 0;
  }

  begin(): void {
    const { world } = this.#host;
    for (const life of this.script.lives) {
      this.#left++;
      world.after(life.at - world.now, undefined, () =>
        follow(world, this.script.id, this.#live(life), () => this.#left--),
      );
    }
  }

  async #live(life: LifeScript): Promise<void> {
    const run = await this.#start(life);
    this.started.push(run);
    for (const meddling of life.meddling) {
      const row = await this.#end(run);
      if (row === undefined) return;
      const kept = this.#host.keptMs(row) ?? KEPT_FOR_EVER_MS;
      await this.#calls.sleep(Math.min(LONGEST_WAIT_MS, kept * meddling.share) + meddling.plusMs);
      await (meddling.op === "resume" ? this.#resume(run) : this.#fork(run, meddling));
    }
  }

  async #start({ program }: LifeScript): Promise<number> {
    const { id, workflow } = this.script;
    const about = { delayMs: 0, timeoutMs: undefined, secrets: {}, meta: null, request: null, tags: {} };
    const spec = { workflow: definitionOf(workflow)!, workflowId: id, input: program, ...about };
    const policy = { workflow, request: null, reuse: "allow", conflict: "attach" } as const;
    const begin = ({ engine }: EngineProcess, supersedes: number | null): Promise<StartResult> =>
      engine?.start(spec, supersedes) ?? closed();
    for (;;) {
      const answer = await this.#calls.call(workflow, "start", (process) =>
        place(
          (supersedes) => begin(process, supersedes),
          (row) => (whenTaken(row, policy) === "attach" ? "attach" : "replace"),
        ),
      );
      if (answer === undefined) continue;
      if (!answer.ok) throw answer.error;
      return answer.value.run;
    }
  }

  /** Waits until a run has ended. Undefined: it is not there any more. */
  async #end(run: number): Promise<RunRow | undefined> {
    for (;;) {
      const row = await this.#host.rowOf(run);
      if (row === undefined || row.closedAt !== null) return row;
      await this.#calls.sleep(LOOK_EVERY_MS);
    }
  }

  async #resume(run: number): Promise<void> {
    const answer = await this.#until(run, "resume", (process) => handleOf(process, this.script.id, run).resume());
    if (answer.ok) this.resumed.set(run, (this.resumed.get(run) ?? 0) + 1);
    else this.#checkRefusal(run, answer.error, ["CONFLICT"]);
  }

  async #fork(run: number, { from }: MeddlingScript): Promise<void> {
    const events = this.#host.eventsOf(run);
    const event = 2 + Math.floor(from * (events.length - 1));
    const answer = await this.#until(run, `fork from ${event}`, async (process) => {
      if (process.engine === undefined) return closed();
      const fork = await handleOf(process, this.script.id, run).fork({ from: { event } });
      const { runId } = fork;
      return Number.parseInt(runId.slice(runId.lastIndexOf("-") + 1), 36);
    });
    if (answer.ok) this.forks.push({ of: run, run: answer.value, from: event });
    // What was set aside cannot be gone back to.
    else if (!String(answer.error).includes("can go back to")) this.#checkRefusal(run, answer.error, []);
  }

  async #until<T>(
    run: number,
    what: string,
    call: (process: EngineProcess) => Promise<T>,
  ): Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: PerdureError }> {
    for (;;) {
      const answer = await this.#calls.call(this.script.workflow, `${what} run ${run}`, call);
      if (answer === undefined) continue;
      if (answer.ok) return answer;
      const error = answer.error as PerdureError;
      if (!isPerdureError(error, "LEASE_LOST")) return { ok: false, error };
    }
  }

  /** A run is there, or it was deleted: nothing in between. */
  #checkRefusal(run: number, error: PerdureError, usual: readonly string[]): void {
    const right = error.code === "NOT_FOUND" ? this.#host.isPurged(run) : usual.includes(error.code);
    if (!right && !(error.code === "CONFLICT" && this.#host.isPurged(run)))
      this.#host.world.violate("retention half", `${this.script.id}: run ${run}: ${error.code}: ${error.message}`);
  }
}
