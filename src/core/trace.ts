/**
 * What code asks for while a history is replayed, beside what the history knows of the same commands: so that a mismatch names the first
 * command that is another one, and its line. Owner: the machine, only while it replays.
 */
import { type CommandIdentity, type EventData, parseEventData } from "./events.ts";
import { callSite, changedInput, describe, type Named } from "./mismatch.ts";

interface Issued {
  readonly command: CommandIdentity;
  readonly place: Error;
}

/** Where history and code part, and the line. */
export interface Parting {
  readonly history: string;
  readonly code: string;
  readonly at: string | undefined;
}

export class Trace {
  readonly #issued: Issued[] = [];
  readonly #rows: readonly { readonly data: string }[];

  /** @param rows the history that is replayed. */
  constructor(rows: readonly { readonly data: string }[]) {
    this.#rows = rows;
  }

  /** Remembers a command and where in the code it was asked for. */
  issued(command: CommandIdentity): void {
    this.#issued[command.id] = { command, place: new Error() };
  }

  /** The line that asked for a command; of the last one asked for when it was not asked for. */
  place(command: number): string | undefined {
    return callSite((this.#issued[command] ?? this.#issued.at(-1))?.place);
  }

  /** The command in words, as the code asked for it. */
  named(command: number): string | undefined {
    const issued = this.#issued[command];
    return issued === undefined ? undefined : describe(issued.command);
  }

  /** The first command, up to `last`, of which the history knows that it was another one. */
  parting(last: number): Parting | undefined {
    const recorded = this.#recorded();
    for (let id = 1; id <= last; id++) {
      const known = recorded.get(id);
      if (known === undefined) continue;
      const issued = this.#issued[id]?.command;
      const history = `command ${id} is ${describe(nameOf(known))}`;
      if (issued === undefined) return { history, code: "did not ask for it", at: this.place(id) };
      const difference = differenceOf(known, issued);
      if (difference !== undefined) return { history, code: `asked for ${difference}`, at: this.place(id) };
    }
    return undefined;
  }

  /** Commands by number, as far as outcomes tell. */
  #recorded(): Map<number, EventData> {
    const recorded = new Map<number, EventData>();
    for (const { data } of this.#rows) {
      if (!data.startsWith('{"c":')) continue;
      const outcome = parseEventData(data);
      if (outcome.c !== undefined && !recorded.has(outcome.c)) recorded.set(outcome.c, outcome);
    }
    return recorded;
  }
}

function nameOf({ k = "activity", n = "", l }: EventData): Named {
  return { kind: k, name: n, label: l };
}

function differenceOf(known: EventData, issued: CommandIdentity): string | undefined {
  const { kind, name, label, inputDigest } = issued;
  if (known.k !== kind || known.n !== name || known.l !== label) return describe(issued);
  return known.i === inputDigest ? undefined : changedInput(kind);
}
