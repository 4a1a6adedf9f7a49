/**
 * How much of what it is sent a run takes into its history. Owner: the run's outbox.
 *
 * A signal that nobody waits for is kept by the run until its code asks for it, or by the next one if it continues as new: it is copied from
 * history to history. So a run takes a few of each name ahead and leaves the rest in its inbox until there is room: signals of one name
 * stay in order, and those of others are not held up by them. What is handled as it comes is never left, only taken in portions.
 */
import type { Machine } from "../core/machine.ts";
import type { MessageRow } from "../store/store.ts";
import { NO_SIGNALS } from "./inbox.ts";

/** How many signals of a name a run takes ahead, and how many messages it takes at a time. */
export const AHEAD = 100;

export class Intake {
  readonly #machine: Machine;
  readonly #ahead: number;
  /** Room for each name of which there were signals, as of this look. */
  #room: Map<string, number> | undefined;

  constructor(machine: Machine, ahead: number) {
    this.#machine = machine;
    this.#ahead = ahead;
  }

  /** Looks at the inbox anew. */
  begin(): void {
    this.#room = undefined;
  }

  /** Whether the next message of the inbox is taken. Asked in their order, of each once in a look. */
  takes({ kind, name }: MessageRow): boolean {
    if (kind !== "signal" || this.#machine.messages.receives(name)) return true;
    this.#room ??= new Map();
    const room = this.#room.get(name) ?? this.roomFor(name);
    this.#room.set(name, room - 1);
    return room > 0;
  }

  /** Whether there is a reason to look at what was left: one of these names is handled now, or much of what was ahead has been taken. */
  wantsAny(names: Iterable<string>): boolean {
    for (const name of names) if (name !== NO_SIGNALS && 2 * this.roomFor(name) >= this.#ahead) return true;
    return false;
  }

  /** How many signals of this name may be taken now. */
  roomFor(name: string): number {
    const { messages } = this.#machine;
    if (messages.receives(name)) return Number.POSITIVE_INFINITY;
    return this.#ahead + this.#machine.waiting(name).length - messages.keptOf(name);
  }
}
