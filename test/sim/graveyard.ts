/**
 * Runs that retention has deleted, as they were at that instant, and what must hold then: each had ended and was older than it is kept, by
 * a time that whoever deleted it had been told; it is in the archive as it was; and whoever has its workflow id now still has it. Says
 * with rules of its own, not with those of the engine, what is too old.
 */
import { formatRunId } from "../../src/core/ids.ts";
import type { RetentionRules } from "../../src/engine/retention-rules.ts";
import type { AnswerRow, LoadedRun, RunRow } from "../../src/store/store.ts";
import type { ArchivePlace, KeptRun } from "./archive.ts";
import type { Oracle } from "./oracle.ts";
import type { World } from "./world.ts";

/** Whoever deletes. */
export interface Digger {
  readonly name: string;
  readonly slot: number;
  readonly retention: RetentionRules | undefined;
  readonly retentionNow: number;
}

/** How well an engine may know the database's time after a slow answer. */
const MOST_AHEAD_MS = 20_000;

export class Graveyard {
  readonly runs: Map<number, LoadedRun> = new Map();
  /** Answers to updates that the store has forgotten, by run and number. */
  readonly #answers = new Map<number, Map<number, AnswerRow>>();
  readonly #world: World;
  readonly #oracle: Oracle;
  readonly #archive: ArchivePlace;
  readonly #isTimed: boolean;

  /** @param isTimed all engines go by the time of the database */
  constructor(world: World, oracle: Oracle, archive: ArchivePlace, isTimed: boolean) {
    this.#world = world;
    this.#oracle = oracle;
    this.#archive = archive;
    this.#isTimed = isTimed;
  }

  /** Deletes, and looks at what was there and what is left. All of it happens at one instant. */
  async purge(digger: Digger, runs: readonly Pick<RunRow, "run" | "length">[]): Promise<number[]> {
    const { base } = this.#oracle;
    const numbers = runs.map(({ run }) => run);
    const [loaded, answers, gone] = await Promise.all([
      base.load(numbers, Number.MAX_SAFE_INTEGER),
      base.answersOf(numbers),
      base.purge(runs),
    ]);
    for (const number of gone) {
      const one = loaded.find(({ row }) => row.run === number)!;
      this.runs.set(number, one);
      this.#oracle.purged.add(number);
      this.keepAnswers(number, answers.get(number) ?? []);
      this.#check(digger, one);
    }
    for (const number of gone) await this.#checkId(this.runs.get(number)!.row);
    return gone;
  }

  /** Everything that is remembered is about to be forgotten, if it is old. */
  async rememberAnswers(): Promise<void> {
    const open = [...this.#oracle.runs.keys()].filter((run) => !this.runs.has(run));
    for (const [run, rows] of await this.#oracle.base.answersOf(open)) this.keepAnswers(run, rows);
  }

  keepAnswers(run: number, rows: readonly AnswerRow[]): void {
    const known = this.#answers.get(run) ?? new Map<number, AnswerRow>();
    this.#answers.set(run, known);
    for (const row of rows) known.set(row.number, row);
  }

  /** What an update was answered that the store does not know of any more. */
  answer(run: number, number: number): AnswerRow | undefined {
    return this.#answers.get(run)?.get(number);
  }

  #check({ name, slot, retention, retentionNow }: Digger, { row, events }: LoadedRun): void {
    const where = `${name} deleted run ${row.run} (${row.workflowId}, ${row.status})`;
    const fail = (what: string, message: string): void =>
      this.#world.violate(`retention ${what}`, `${where}: ${message}`);
    if (row.closedAt === null || row.owner !== null) {
      fail("open", `it was open, owner ${row.owner}`);
      return;
    }
    const kept = retention === undefined ? undefined : keptFor(retention, row);
    if (kept === undefined) fail("rule", "nothing says that it may");
    else if (retentionNow - row.closedAt <= kept)
      fail("young", `it had ended ${retentionNow - row.closedAt} ms ago, and is kept for ${kept}`);
    else if (this.#isTimed && this.#world.wall + MOST_AHEAD_MS < row.closedAt + kept)
      fail("young", `by the database it had ended ${this.#world.wall - row.closedAt} ms ago, and is kept for ${kept}`);
    if (this.#archive.kind === "none") return;
    const copies = this.#archive.copies(slot, formatRunId(this.#oracle.base.id, row.run));
    const last = copies.at(-1);
    if (last === undefined) fail("archive", "it is in no archive that survives a power cut");
    else if (!isSame(last, row, events))
      fail("archive", `the archive has ${last.events.length} events of ${events.length}`);
    for (const { events: earlier } of copies)
      if (!earlier.every((event, index) => event.type === events[index]?.type && event.at === events[index]?.at))
        fail("archive", "the archive has something else under its name, too");
  }

  /** Whoever has taken over a workflow id still has it; when that one is deleted the id is free. */
  async #checkId({ run, workflowId }: RunRow): Promise<void> {
    const all = [...this.#oracle.runs.values()].filter((one) => one.workflowId === workflowId);
    const newest = Math.max(...all.map((one) => one.run));
    const found = await this.#oracle.base.find({ workflowId });
    const expected = this.runs.has(newest) ? undefined : newest;
    if (found?.run !== expected)
      this.#world.violate(
        "retention id",
        `with run ${run} the id ${workflowId} went to run ${found?.run}, not ${expected}`,
      );
  }
}

/** How long a run is kept after its end; undefined: for ever. */
export function keptFor(
  rules: RetentionRules,
  { workflow, status }: Pick<RunRow, "workflow" | "status">,
): number | undefined {
  const own = rules.byWorkflow.get(workflow);
  const kept: Readonly<Record<string, number | undefined>> = own ?? rules.default ?? {};
  return kept[status];
}

function isSame(kept: KeptRun, row: RunRow, events: LoadedRun["events"]): boolean {
  return (
    kept.status === row.status &&
    kept.closedAt === row.closedAt &&
    kept.workflowId === row.workflowId &&
    kept.events.length === events.length &&
    events.every(({ type, at, data }, index) => {
      const one = kept.events[index]!;
      return one.type === type && one.at === at && JSON.stringify(one.data) === JSON.stringify(JSON.parse(data));
    })
  );
}
