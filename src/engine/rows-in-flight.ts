/** Rows of what one run has in flight, on their way to the store: what changed, and what is settled. Owner: the run's outbox. */
import type { Command } from "../core/machine.ts";
import type { AttemptRow } from "../store/store.ts";

export class RowsInFlight {
  /** Made with the first: most runs have none. */
  #changed: Map<number, AttemptRow> | undefined;
  #settled: number[] = [];
  /** Commands that have a row in the store. */
  #kept: Set<number> | undefined;

  get any(): boolean {
    return (this.#changed !== undefined && this.#changed.size > 0) || this.#settled.length > 0;
  }

  /** The store has rows of these commands from before. */
  restore(rows: readonly AttemptRow[]): void {
    for (const { command } of rows) this.#keep(command);
  }

  #keep(command: number): void {
    this.#kept ??= new Set();
    this.#kept.add(command);
  }

  /** Whether a command has a row from before that is not settled. */
  has(command: number): boolean {
    return this.#kept?.has(command) === true;
  }

  /** Keeps the row of a command in flight. */
  keep(row: AttemptRow): void {
    this.#changed ??= new Map();
    this.#changed.set(row.command, row);
  }

  /** The row of a command as it is going to be written, which may bring a task with it; this one when nothing is. */
  waiting(row: AttemptRow): AttemptRow {
    return this.#changed?.get(row.command) ?? row;
  }

  /** Keeps the row of a timer or wait that lasts, unless it is kept already. */
  keepWait({ id, kind, name, label, issuedAt, spec }: Command, due: number | undefined): void {
    if (this.has(id)) return;
    const { approvers } = (spec ?? {}) as { approvers?: readonly string[] };
    const details = approvers === undefined ? null : JSON.stringify(approvers);
    const row = { command: id, kind, name: label ?? name, firstAt: issuedAt, nextAt: due ?? null };
    this.keep({ ...row, attempt: 0, startedAt: null, error: null, details });
  }

  /** The command is settled: its row goes. */
  settle(command: number): void {
    this.#changed?.delete(command);
    if (this.#kept?.delete(command) === true) this.#settled.push(command);
  }

  /** The run ends: all rows go. */
  settleAll(): void {
    this.#changed = undefined;
    for (const command of this.#kept ?? NONE) this.#settled.push(command);
  }

  /** Rows to be written of commands that are still open. */
  takeChanged(open: ReadonlyMap<number, unknown>): readonly AttemptRow[] {
    if (this.#changed === undefined || this.#changed.size === 0) return NONE;
    const rows = [...this.#changed.values()].filter(({ command }) => open.has(command));
    for (const row of rows) this.#keep(row.command);
    this.#changed = undefined;
    return rows;
  }

  takeSettled(): readonly number[] {
    if (this.#settled.length === 0) return NONE;
    const settled = this.#settled;
    this.#settled = [];
    return settled;
  }

  /** Settled rows that were not deleted after all. */
  giveBack(settled: readonly number[]): void {
    this.#settled = [...settled, ...this.#settled];
  }
}

const NONE: readonly never[] = [];
