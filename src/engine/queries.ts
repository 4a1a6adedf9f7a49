/**
 * Queries: answered by replicas, so that a handler that changes something harms nobody, and closed, parked and foreign runs
 * answer like active ones (rule 38). A replica is kept and follows its run's history: the next query costs the new events only.
 */
import { PerdureError } from "../core/errors.ts";
import { pastOf } from "../core/past.ts";
import { decodePayload, encodePayload } from "../core/payload.ts";
import { planReplay, type ReplayRow } from "../core/resume.ts";
import type { EventRow, RunRow, Store } from "../store/store.ts";
import type { MachineMaker } from "./machine-maker.ts";
import { parkedAt } from "./parked.ts";
import type { Registry } from "./registry.ts";
import { Replica } from "./replica.ts";
import type { RunFacts } from "./run-facts.ts";
import type { Turns } from "./turns.ts";

/** What queries need from the engine. */
export interface QueryHost {
  readonly store: Store;
  readonly registry: Registry;
  readonly turns: Turns;
  facts(row: RunRow, secrets: Readonly<Record<string, string>>, deadline: number | undefined): RunFacts;
}

interface Kept {
  /** Queries of one run are answered one after another. */
  tail: Promise<unknown>;
  replica: Replica | undefined;
  /** Length of the history it has seen. */
  seq: number;
}

const MAX_KEPT = 100;
const PAGE = 10_000;

export class Queries {
  readonly #host: QueryHost;
  readonly #maker: MachineMaker;
  /** Least recently used first. */
  readonly #kept = new Map<number, Kept>();

  constructor(host: QueryHost, maker: MachineMaker) {
    this.#host = host;
    this.#maker = maker;
  }

  /**
   * Answers a query.
   *
   * @throws PerdureError `NOT_FOUND` for an unknown run or query, `VERSION_UNAVAILABLE` without the run's code, `RUN_BLOCKED` when that
   *   code disagrees with the history; what the handler throws.
   */
  ask(run: number, name: string, input: unknown): Promise<unknown> {
    const kept = this.#kept.get(run) ?? { tail: Promise.resolve(), replica: undefined, seq: 0 };
    this.#kept.delete(run);
    this.#kept.set(run, kept);
    this.#evict();
    const answer = kept.tail.then(() => this.#answer(run, kept, name, input));
    kept.tail = answer.catch(() => {});
    return answer;
  }

  #evict(): void {
    if (this.#kept.size <= MAX_KEPT) return;
    const [run, kept] = this.#kept.entries().next().value!;
    this.#kept.delete(run);
    kept.tail.then(() => kept.replica?.end());
  }

  async #answer(run: number, kept: Kept, name: string, input: unknown): Promise<unknown> {
    const news = await this.#news(run, kept.seq);
    if (kept.replica === undefined || news.some(({ type }) => type === "Resumed")) await this.#rebuild(run, kept);
    else await this.#follow(kept.replica, kept, news);
    const { machine } = kept.replica!;
    const { blockage } = machine;
    if (blockage !== undefined) {
      kept.replica = undefined;
      throw new PerdureError("RUN_BLOCKED", `the run cannot answer: ${blockage.message}`, {
        details: { reason: blockage.reason },
      });
    }
    return decodePayload(encodePayload(machine.messages.query(name, input)));
  }

  async #rebuild(run: number, kept: Kept): Promise<void> {
    const { store, registry } = this.#host;
    const row = await store.find({ run });
    if (row === undefined) throw new PerdureError("NOT_FOUND", "the run does not exist (any more)");
    const definition = await registry.pinned(row.workflow, row.version, store);
    if (definition === undefined) throw unavailable(row);
    const history = await this.#news(run, 0);
    const plan = planReplay(history);
    kept.replica?.end();
    const parts = { maker: this.#maker, turns: this.#host.turns };
    const replica = new Replica(parts, this.#host.facts(row, {}, undefined), definition, plan);
    // Where the run stands tells which places older code has been at (rule 7).
    const [issued = 0] = parkedAt(row, history.length).check ?? [];
    const inFlight = (await store.attempts(run)).map(({ command }) => command);
    replica.machine.recall(pastOf(plan.rows, [issued, ...inFlight]));
    kept.replica = replica;
    kept.seq = history.length;
    await replica.apply(plan.rows);
  }

  async #follow(replica: Replica, kept: Kept, news: readonly EventRow[]): Promise<void> {
    const rows: ReplayRow[] = news.map((row, index) => ({ ...row, seq: kept.seq + index + 1, verify: true }));
    kept.seq += news.length;
    await replica.apply(rows);
  }

  async #news(run: number, after: number): Promise<EventRow[]> {
    const rows: EventRow[] = [];
    for (;;) {
      const page = await this.#host.store.history(run, after + rows.length, PAGE);
      rows.push(...page);
      if (page.length < PAGE) return rows;
    }
  }
}

function unavailable({ workflow, version }: RunRow): PerdureError {
  const code = version === null ? workflow : `${workflow}@${version}`;
  return new PerdureError(
    "VERSION_UNAVAILABLE",
    `this engine does not have the code of ${code}, which the answer is computed with; ask an engine that has it`,
    { details: { workflow, version } },
  );
}
