/** What a history tells about code that ran before, read without replaying it. */
import { type EventData, parseEventData } from "./events.ts";

/** What is known of a run's past before it is replayed. */
export interface Past {
  /** Events that are going to be applied. */
  readonly events: number;
  /** Commands that were issued as far as anything recorded tells. */
  readonly commands: number;
  /** Number of the message that the last event brought; undefined when it brought none. */
  readonly lastMessage: number | undefined;
  /** Answers that `version` gave, in the order in which they were given. */
  readonly versions: ReadonlyMap<string, readonly VersionAnswer[]>;
}

/** Stands for the number of a message where there was none yet. Those that a fork copies have numbers below 0. */
export const NO_MESSAGE: number = Number.NEGATIVE_INFINITY;

/** An answer of `version`, and the place in the code where it was given: after so many commands, and after this message. */
export interface VersionAnswer {
  readonly commands: number;
  readonly message: number;
  readonly version: number;
}

/** The past of a run. `inFlight` are numbers of commands, and counts of commands, known from elsewhere (rows in flight, the park). */
export function pastOf(
  rows: readonly { readonly type: string; readonly data: string }[],
  inFlight: readonly number[],
): Past {
  const versions = new Map<string, VersionAnswer[]>();
  for (const { data } of rows) if (data.includes('"k":"version"')) collect(parseEventData(data), versions);
  const last = rows.findLast(({ data }) => data.includes('"x":['));
  const issued = last === undefined ? 0 : (parseEventData(last.data).x?.[0] ?? 0);
  const lastMessage = messageOf(rows.at(-1));
  return { events: rows.length, commands: Math.max(issued, ...inFlight), lastMessage, versions };
}

function messageOf(row: { readonly type: string; readonly data: string } | undefined): number | undefined {
  const brings = row?.type === "SignalReceived" || row?.type === "UpdateAccepted";
  return brings ? parseEventData(row.data).m : undefined;
}

function collect({ o = [] }: EventData, versions: Map<string, VersionAnswer[]>): void {
  for (const note of o) {
    if (note.k !== "version") continue;
    const { id, message = NO_MESSAGE, ...answer } = note as unknown as VersionAnswer & { id: string };
    const answers = versions.get(id) ?? [];
    answers.push({ ...answer, message });
    versions.set(id, answers);
  }
}
