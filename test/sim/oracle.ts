/**
 * Watches what really happens, at the instant it happens: leases that end, commits that reach the store, runs that are claimed.
 * Each check has the name that a violation carries; numbers are the invariants of the design.
 */
import type { Batch, BatchResult, Lease, NewRun, ParentLink, RunRow, Store } from "../../src/store/store.ts";
import { type Fail, ShadowRun } from "./shadow.ts";
import type { World } from "./world.ts";

export class Oracle {
  readonly #world: World;
  readonly base: Store;
  readonly runs: Map<number, ShadowRun> = new Map();
  readonly #fail: Fail;
  #engines: ReadonlySet<number> = new Set();
  readonly #gone = new Set<number>();
  readonly #batches = new Map<number, number>();
  readonly #children = new Map<string, number>();
  readonly #claims = new Map<number, { readonly engine: number; readonly inbox: number }>();
  commits = 0;
  /** When a commit or an effect was last seen. */
  lastActivity = 0;

  constructor(world: World, base: Store) {
    this.#world = world;
    this.base = base;
    this.#fail = (check, message) => world.violate(check, message);
  }

  /** Some lease may have begun or ended. Returns how many have ended. */
  async enginesChanged(): Promise<number> {
    const now = new Set((await this.base.engines()).map(({ engine }) => engine));
    let ended = 0;
    for (const engine of this.#engines) {
      if (now.has(engine)) continue;
      this.#gone.add(engine);
      ended++;
    }
    this.#engines = now;
    return ended;
  }

  /** Whether a lease has ended. */
  isGone(engine: number | undefined): boolean {
    return engine === undefined || this.#gone.has(engine);
  }

  /** A commit reached the store. */
  async committed({ engine }: Lease, batch: Batch, result: BatchResult): Promise<void> {
    this.commits++;
    this.lastActivity = this.#world.now;
    this.#checkFence(engine, batch.number);
    batch.starts.forEach((start, index) => {
      const started = result.starts[index];
      if (started === undefined || !("run" in started)) return;
      if (start.parent !== undefined) this.#child(start.parent, started);
      if (started.existing !== true)
        this.runs.set(started.run, new ShadowRun(started.run, start.workflowId, start.first, this.#fail));
    });
    batch.transitions.forEach((transition, index) => {
      if (result.refused.has(index)) return;
      const shadow = this.runs.get(transition.run);
      if (shadow === undefined) this.#fail("I2 density", `run ${transition.run} advanced but was never created`);
      else shadow.advance(transition, this.#world.now);
    });
    for (const [index, { also }] of batch.transitions.entries())
      if (also?.successor !== undefined && !result.refused.has(index)) await this.#succeeded(also.successor.start);
  }

  async #succeeded({ workflowId, first }: NewRun): Promise<void> {
    const { run } = (await this.base.find({ workflowId }))!;
    this.runs.set(run, new ShadowRun(run, workflowId, first, this.#fail));
  }

  /** Rule 27: there is one child for each command and generation. */
  #child({ run, command, generation }: ParentLink, started: { readonly run: number; readonly existing?: true }): void {
    const key = `${run}/${command}/${generation}`;
    const known = this.#children.get(key);
    this.#children.set(key, known ?? started.run);
    if (known !== undefined && started.existing !== true)
      this.#fail(
        "I5 one child",
        `command ${command} of run ${run} (generation ${generation}) has runs ${known} and ${started.run}`,
      );
  }

  #checkFence(engine: number, number: number): void {
    const last = this.#batches.get(engine) ?? 0;
    if (number !== last + 1) this.#fail("I2 fence", `engine ${engine} committed batch ${number} after ${last}`);
    if (this.isGone(engine)) this.#fail("I2 fence", `engine ${engine} committed after its lease had ended`);
    this.#batches.set(engine, number);
  }

  /** An engine claimed runs: what is in their inboxes then comes before their effects (rule 23). */
  claimed({ engine }: Lease, rows: readonly RunRow[]): void {
    for (const { run, inbox } of rows) this.#claims.set(run, { engine, inbox });
  }

  /** Number of the last message that was waiting when this engine claimed the run; 0 if it did not. */
  inboxAtClaim(run: number, engine: number | undefined): number {
    const claim = this.#claims.get(run);
    return claim?.engine === engine ? (claim?.inbox ?? 0) : 0;
  }
}
