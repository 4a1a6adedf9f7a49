/** When the clock alone gives a run something to do: due times of its waiting commands and the end of its life. */
import type { Command } from "../core/machine.ts";
import type { Alarm, AlarmEntry } from "./alarm.ts";
import type { CommandSpec } from "./command-spec.ts";

export class DueTimes {
  readonly #alarm: Alarm;
  readonly #deadline: number;
  /** Made with the first: most runs wait for nothing. */
  #due: Map<number, number> | undefined;
  #entry: AlarmEntry | undefined;

  constructor(alarm: Alarm, deadline: number | undefined) {
    this.#alarm = alarm;
    this.#deadline = deadline ?? Number.POSITIVE_INFINITY;
  }

  /** Whether anything is due at some time. */
  get any(): boolean {
    return (this.#due !== undefined && this.#due.size > 0) || Number.isFinite(this.#deadline);
  }

  set(command: number, due: number): void {
    this.#due ??= new Map();
    this.#due.set(command, due);
  }

  get(command: number): number | undefined {
    return this.#due?.get(command);
  }

  delete(command: number): void {
    this.#due?.delete(command);
  }

  clear(): void {
    this.#due?.clear();
    this.disarm();
  }

  /** Whether the run has lived its time. */
  expired(now: number): boolean {
    return now >= this.#deadline;
  }

  /** The nearest time, or infinity. */
  nearest(): number {
    let nearest = this.#deadline;
    if (this.#due === undefined) return nearest;
    for (const due of this.#due.values()) if (due < nearest) nearest = due;
    return nearest;
  }

  /** Removes and returns the commands that are due. */
  take(now: number): readonly (readonly [command: number, due: number])[] {
    const taken: [number, number][] = [];
    if (this.#due === undefined) return taken;
    for (const [command, due] of this.#due) {
      if (due > now) continue;
      this.#due.delete(command);
      taken.push([command, due]);
    }
    return taken;
  }

  /** Calls `ring` at the nearest time. */
  arm(ring: () => void): void {
    const nearest = this.nearest();
    if (this.#entry !== undefined && this.#entry.due <= nearest) return;
    this.disarm();
    if (Number.isFinite(nearest)) this.#entry = this.#alarm.set(nearest, ring);
  }

  disarm(): void {
    if (this.#entry !== undefined) this.#alarm.cancel(this.#entry);
    this.#entry = undefined;
  }
}

const MAX_WAITS_SHOWN = 100;

/** What open commands wait for, as people are shown it. */
export function waitsOf(open: Iterable<Command<CommandSpec>>, due: DueTimes): readonly object[] {
  const waits: object[] = [];
  for (const { id, kind, name, label, issuedAt, spec } of open) {
    if (waits.length === MAX_WAITS_SHOWN) break;
    const { approvers } = spec as { approvers?: readonly string[] };
    waits.push({ command: id, kind, name, label, since: issuedAt, due: due.get(id), approvers });
  }
  return waits;
}
