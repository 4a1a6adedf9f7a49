/**
 * The lane of a lease: its commits, on a connection of their own, one round trip each.
 *
 * Density without asking the database: the length of each history this lane has written to is remembered as long as its engine
 * owns the run. That is safe because nobody else may append to it while the engine's row exists, and every commit proves that it
 * does. What is not remembered is looked up in the commit, together with the run's owner. After an error nothing is remembered.
 */
import { PerdureError } from "../../core/errors.ts";
import { readRun } from "../rows.ts";
import type { Batch, BatchResult, Refusal, StartResult, Transition } from "../store.ts";
import { type Lengths, type Part, partFrom } from "./batch-part.ts";
import { BOUNDED, type Database } from "./database.ts";
import { kindOf } from "./failures.ts";
import type { Columns, Session } from "./session.ts";

/** After this the answer counts as lost: the connection is given up and the fate of the batch asked for on another one. */
const COMMIT_TIMEOUT_MS = 20_000;
const TRIES = 5;
const ARGUMENTS = 47;
/** The server ends connections over messages of more than 1 GiB. A batch that is refused here is sent again run by run. */
const MAX_BYTES = 512 * 1024 * 1024;

type Answer = readonly [
  started: readonly number[] | null,
  holders: readonly string[] | null,
  history: readonly number[] | null,
  inbox: readonly number[] | null,
];

export class Lane {
  readonly #database: Database;
  readonly #engine: number;
  readonly #session: Session;
  readonly #sql: string;
  #lengths: Lengths = new Map();

  constructor(database: Database, engine: number) {
    this.#database = database;
    this.#engine = engine;
    this.#session = database.session(COMMIT_TIMEOUT_MS);
    const parameters = Array.from({ length: ARGUMENTS }, (_, index) => `$${index + 1}`);
    this.#sql = `select started, holders, refused_history, refused_inbox from ${database.settings.schema}.commit(${parameters.join(", ")})`;
  }

  /** @throws PerdureError LEASE_LOST, UNAVAILABLE, INTERNAL */
  async commit(batch: Batch): Promise<BatchResult> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#commit(batch);
      } catch (error) {
        this.#lengths = new Map();
        const kind = kindOf(error);
        if (kind === "fenced") throw leaseLost(this.#engine);
        if (kind !== "yielded" || tries === TRIES) throw this.#database.error(error);
      }
    }
  }

  /** Gives up the connection: what is under way on it may or may not happen. */
  drop(): void {
    this.#lengths = new Map();
    this.#session.drop();
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  async #commit(batch: Batch): Promise<BatchResult> {
    const part = partFrom(this.#engine, batch, 0, this.#lengths);
    const result = new ResultOf(batch, this.#lengths);
    if (part.end === batch.transitions.length) {
      result.take(part, (await this.#session.query(this.#sql, bounded(part.arguments)))[0]!);
      return result;
    }
    await this.#session.exclusively(async (run) => {
      await run("begin");
      try {
        await run(BOUNDED);
        await this.#commitParts(batch, part, async (next) =>
          result.take(next, (await run(this.#sql, bounded(next.arguments)))[0]!),
        );
      } catch (error) {
        await run("rollback").catch(() => this.#session.drop());
        throw error;
      }
      await run("commit");
    });
    return result;
  }

  async #commitParts(batch: Batch, first: Part, send: (part: Part) => Promise<void>): Promise<void> {
    await send(first);
    for (let at = first.end; at < batch.transitions.length; ) {
      const part = partFrom(this.#engine, batch, at, this.#lengths);
      await send(part);
      at = part.end;
    }
  }
}

/** @throws RangeError */
function bounded(values: readonly unknown[]): readonly unknown[] {
  let size = 0;
  for (const value of values) if (Buffer.isBuffer(value) || typeof value === "string") size += value.length;
  if (size > MAX_BYTES) throw new RangeError(`a commit of ${size} bytes is more than a connection takes`);
  return values;
}

/** What became of a batch, gathered part by part; takes the lengths of what was written along. */
class ResultOf implements BatchResult {
  readonly starts: StartResult[] = [];
  readonly refused = new Map<number, Refusal>();
  readonly #batch: Batch;
  readonly #lengths: Lengths;

  constructor(batch: Batch, lengths: Lengths) {
    this.#batch = batch;
    this.#lengths = lengths;
  }

  take(part: Part, columns: Columns): void {
    const [started, holders, history, inbox] = columns as unknown as Answer;
    const refusals: [index: number, why: Refusal][] = [
      ...part.stale.map((index): [number, Refusal] => [index, "history"]),
      ...(history ?? []).map((run): [number, Refusal] => [part.indexes.get(run)!, "history"]),
      ...(inbox ?? []).map((run): [number, Refusal] => [part.indexes.get(run)!, "inbox"]),
    ];
    for (const [index, why] of refusals.sort(([a], [b]) => a - b)) this.refused.set(index, why);
    for (const index of part.indexes.values()) {
      if (this.refused.size === 0 || !this.refused.has(index)) this.#remember(this.#batch.transitions[index]!);
    }
    let conflicts = 0;
    for (const run of started ?? []) this.#takeStart(run, () => holders![conflicts++]!);
  }

  #takeStart(run: number | null, holder: () => string): void {
    if (run === null) this.starts.push({ orphan: true });
    else if (run < 0) this.starts.push({ run: -run, existing: true });
    else if (run === 0) this.starts.push({ conflict: readRun(JSON.parse(holder()) as Columns, 0) });
    else {
      const { owned, rest } = this.#batch.starts[this.starts.length]!;
      if (owned) this.#lengths.set(run, 1 + (rest?.length ?? 0));
      this.starts.push({ run });
    }
  }

  #remember({ run, base, events, image }: Transition): void {
    if (image !== null && !image.owned) this.#lengths.delete(run);
    else this.#lengths.set(run, base + events.length);
  }
}

/** The error of every operation of an engine whose row is gone. */
export function leaseLost(engine: number): PerdureError {
  return new PerdureError("LEASE_LOST", `engine ${engine} has lost its lease: its runs go on elsewhere`, {
    details: { engine },
  });
}
