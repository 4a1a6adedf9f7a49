/** What a machine needs of whoever runs it. */
import type { Ending } from "./ending.ts";
import type { Note } from "./events.ts";
import type { Machine } from "./machine.ts";
import type { PayloadCodec } from "./payload.ts";

/** What a machine needs beside its history. */
export interface MachineOptions<Spec> {
  readonly runId: string;
  readonly codec: PayloadCodec | undefined;
  /** Calls the workflow function; runs synchronously inside the first turn. */
  readonly start: (machine: Machine<Spec>, input: unknown) => Promise<unknown>;
  /** Generation of a command: how often its outcome was set aside by a resume. */
  readonly generation: (command: number) => number;
  /** Told when something out of turn blocks the run. */
  readonly onBlocked: () => void;
  /** Told when the run's cancellation is applied. */
  readonly onCancelled: (reason: string) => void;
  /** Rejects a promise of the code as if the code did: Node tells of a rejection nobody handles where the promise was rejected. */
  readonly rejecting: (reject: () => void) => void;
  /** Told of commands that end without an event of their own: a wait settled by a signal, what a closed scope gives up. */
  readonly onSettled: (command: number) => void;
  /** Told of each note when it is made. */
  readonly onNote: (note: Note) => void;
  /** Told when the handler of an update has ended; `message` is its number in the inbox. */
  readonly onAnswered: (message: number, ending: Ending) => void;
}
