/**
 * A part of a batch as the arguments of the database's `commit` function. Within a part everything is written set by set: first the
 * rows of the runs themselves, then messages between them. So a batch is one part, unless a transition in it depends on an earlier
 * one: it is of the same run, or it writes the row of a run that the earlier one sends to.
 */
import { externalOf } from "../rows.ts";
import type { AttemptRow, Batch, NewRun, Transition } from "../store.ts";
import { handsOut } from "../tasks.ts";
import { bools, int4s, int8s, jsonText, texts } from "./values.ts";

/** What the sender knows of the histories of an engine's runs: their lengths. */
export type Lengths = Map<number, number>;

/** A part: arguments, the transitions in it by run, and those left out because their history is known to be another one. */
export interface Part {
  readonly arguments: readonly unknown[];
  readonly indexes: ReadonlyMap<number, number>;
  readonly stale: readonly number[];
  /** Index of the first transition of the next part. */
  readonly end: number;
}

/** The part of a batch that begins with the transition `from`; the first one has the starts and the fence. */
export function partFrom(engine: number, batch: Batch, from: number, lengths: Lengths): Part {
  const writing = new PartWriter(lengths);
  let end = from;
  while (end < batch.transitions.length && writing.accepts(batch.transitions[end]!)) {
    writing.add(batch.transitions[end]!, end);
    end++;
  }
  const first = from === 0;
  const starts = first ? batch.starts : [];
  const { indexes, stale } = writing;
  const columns = [...startArguments(starts), ...writing.columns(starts)];
  return { arguments: [engine, batch.number, first, ...columns], indexes, stale, end };
}

class PartWriter {
  readonly indexes = new Map<number, number>();
  readonly stale: number[] = [];
  readonly #lengths: Lengths;
  readonly #targets = new Set<number>();
  /** Runs that stop their children. */
  readonly #parents: number[] = [];
  readonly #images: Transition[] = [];
  readonly #checked: Transition[] = [];
  readonly #eventRuns: number[] = [];
  readonly #eventSeqs: number[] = [];
  readonly #eventTypes: string[] = [];
  readonly #eventAts: number[] = [];
  readonly #eventData: string[] = [];
  readonly #consumed: [run: number, number: number][] = [];
  readonly #settled: [run: number, command: number][] = [];
  readonly #attempts: object[] = [];
  readonly #also: object[] = [];

  constructor(lengths: Lengths) {
    this.#lengths = lengths;
  }

  /** Whether a transition can be in this part. Children that an earlier one stops may be any run. */
  accepts({ run, image }: Transition): boolean {
    if (this.indexes.has(run)) return false;
    return image === null || (this.#parents.length === 0 && (this.#targets.size === 0 || !this.#targets.has(run)));
  }

  add(transition: Transition, index: number): void {
    const { run, base, events, consumed, settled, attempts, image, also } = transition;
    const length = this.#lengths.get(run);
    if (length !== undefined && length !== base) {
      this.stale.push(index);
      return;
    }
    this.indexes.set(run, index);
    if (length === undefined) this.#checked.push(transition);
    let seq = base;
    for (const event of events) {
      this.#eventRuns.push(run);
      this.#eventSeqs.push(++seq);
      this.#eventTypes.push(event.type);
      this.#eventAts.push(event.at);
      this.#eventData.push(event.data);
    }
    for (const number of consumed) this.#consumed.push([run, number]);
    for (const command of settled) this.#settled.push([run, command]);
    if (attempts.length > 0) this.#attempts.push(...lastOfEach(attempts).map((row) => attemptColumns(run, row)));
    if (image !== null) this.#images.push(transition);
    const tasks = attempts.length > 0 && handsOut(attempts) ? attempts.flatMap(writtenTask) : undefined;
    if (also === undefined && tasks === undefined) return;
    const { outcomes: taken, ...others } = also ?? {};
    this.#also.push({ of: run, ...others, taken, tasks });
    if (also?.stopsChildren !== undefined) this.#parents.push(run);
    for (const message of also?.sends ?? []) this.#targets.add(message.run);
  }

  /** `starts`: what is begun in the same part. */
  columns(starts: readonly NewRun[]): unknown[] {
    const events = this.#eventRuns.length > 0;
    return [
      this.#locked(starts),
      this.#parents.length > 0 ? int8s(this.#parents) : null,
      ...some(this.#checked, (rows) => [int8s(rows.map(({ run }) => run)), int4s(rows.map(({ base }) => base))], 2),
      events ? int8s(this.#eventRuns) : null,
      events ? int4s(this.#eventSeqs) : null,
      events ? texts(this.#eventTypes) : null,
      events ? int8s(this.#eventAts) : null,
      events ? texts(this.#eventData) : null,
      ...some(this.#images, imageArguments, 10),
      ...some(this.#consumed, pairs(int8s), 2),
      ...some(this.#settled, pairs(int4s), 2),
      this.#attempts.length > 0 ? jsonText(this.#attempts) : null,
      this.#also.length > 0 ? jsonText(this.#also) : null,
    ];
  }

  /**
   * With messages or children on board, all rows of runs that may be written or must stay as they are, but for the children that are
   * stopped: they are locked beforehand, in order.
   */
  #locked(starts: readonly NewRun[]): Buffer | null {
    const parents = starts.flatMap(({ parent }) => (parent === undefined ? [] : [parent.run]));
    if (this.#targets.size + this.#parents.length + parents.length === 0) return null;
    return int8s([...new Set([...this.#targets, ...parents, ...this.#images.map(({ run }) => run)])]);
  }
}

/** The arguments for rows, or as many nulls for none. */
function some<Row>(rows: readonly Row[], toArguments: (rows: readonly Row[]) => unknown[], width: number): unknown[] {
  return rows.length === 0 ? new Array(width).fill(null) : toArguments(rows);
}

function pairs(seconds: (values: number[]) => Buffer): (rows: readonly [number, number][]) => unknown[] {
  return (rows) => [int8s(rows.map(([run]) => run)), seconds(rows.map(([, second]) => second))];
}

/** Sorted by run, as the rows are locked in this order. */
function imageArguments(transitions: readonly Transition[]): unknown[] {
  const sorted = [...transitions].sort((a, b) => a.run - b.run);
  const images = sorted.map(({ image }) => image!);
  const forgotten = sorted.filter(({ image }) => image!.forget).map(({ run }) => run);
  return [
    int8s(sorted.map(({ run }) => run)),
    texts(images.map(({ status }) => status)),
    bools(images.map(({ owned }) => owned)),
    int8s(images.map(({ wakeAt }) => wakeAt)),
    int8s(images.map(({ closedAt }) => closedAt)),
    int4s(images.map(({ crashes }) => crashes)),
    texts(images.map(({ detail }) => detail)),
    int4s(sorted.map(({ base, events }) => base + events.length)),
    int8s(images.map(({ ifInbox }) => ifInbox)),
    forgotten.length > 0 ? int8s(forgotten) : null,
  ];
}

/** One row per command: the last one given. */
function lastOfEach(attempts: readonly AttemptRow[]): readonly AttemptRow[] {
  return attempts.length === 1 ? attempts : [...new Map(attempts.map((row) => [row.command, row])).values()];
}

/** A task with what its attempt row says. */
function writtenTask({ command, attempt, task }: AttemptRow): object[] {
  return task === undefined || task === true ? [] : [{ ...task, command, attempt }];
}

function attemptColumns(run: number, row: AttemptRow): object {
  const { command, kind, name, attempt, startedAt, firstAt, nextAt, error, details } = row;
  const times = { started_at: startedAt, first_at: firstAt, next_at: nextAt };
  return { run, command, kind, name, attempt, ...times, error, details, external: externalOf(row) };
}

const START_ARGUMENTS = 19;

function startArguments(starts: readonly NewRun[]): unknown[] {
  if (starts.length === 0) return [false, ...new Array(START_ARGUMENTS - 1).fill(null)];
  const oneByOne = dependOnEachOther(starts);
  const secrets = starts.some((start) => start.secrets !== null);
  return [
    oneByOne,
    texts(starts.map(({ workflowId }) => workflowId)),
    texts(starts.map(({ workflow }) => workflow)),
    texts(starts.map(({ version }) => version)),
    bools(starts.map(({ owned }) => owned)),
    int8s(starts.map(({ wakeAt }) => wakeAt)),
    int8s(starts.map(({ createdAt }) => createdAt)),
    texts(starts.map(({ meta }) => meta)),
    texts(starts.map(({ request }) => request)),
    secrets ? texts(starts.map((start) => start.secrets)) : null,
    oneByOne ? int8s(starts.map(({ supersedes }) => supersedes)) : null,
    texts(starts.map(({ first }) => first.type)),
    int8s(starts.map(({ first }) => first.at)),
    texts(starts.map(({ first }) => first.data)),
    oneByOne ? int8s(starts.map(({ parent }) => parent?.run ?? null)) : null,
    oneByOne ? int4s(starts.map(({ parent }) => parent?.command ?? null)) : null,
    oneByOne ? int4s(starts.map(({ parent }) => parent?.generation ?? null)) : null,
    oneByOne ? texts(starts.map(({ parent }) => parent?.onClose ?? null)) : null,
    oneByOne ? texts(starts.map(extraOf)) : null,
  ];
}

/** Whether starts have more than the plain columns, or one of them decides about another. */
function dependOnEachOther(starts: readonly NewRun[]): boolean {
  const ids = new Set<string>();
  for (const { workflowId, supersedes, parent, rest, messages, tags } of starts) {
    if (supersedes !== null || parent !== undefined || tags !== undefined) return true;
    if ((rest !== undefined && rest.length > 0) || (messages !== undefined && messages.length > 0)) return true;
    ids.add(workflowId);
  }
  return ids.size < starts.length;
}

function extraOf({ rest, messages, tags }: NewRun): string | null {
  return rest === undefined && messages === undefined && tags === undefined ? null : jsonText({ rest, messages, tags });
}
