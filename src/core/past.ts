/** What a history tells about code that ran before, read without replaying it. */
import { type EventData, parseEventData } from "./events.ts";

/** What is known of a run's past before it is replayed. */
export interface Past {
  /** Events that are going to be applied. */
  readonly events: number;
  /** Commands that were issued as far as anything recorded tells. */
  readonly commands: number;
  /** Answers that `version` gave: after how many commands, and which. */
  readonly versions: ReadonlyMap<string, readonly (readonly [commands: number, version: number])[]>;
}

/** The past of a run. `inFlight` are numbers of commands, and counts of commands, known from elsewhere (rows in flight, the park). */
export function pastOf(rows: readonly { readonly data: string }[], inFlight: readonly number[]): Past {
  const versions = new Map<string, (readonly [number, number])[]>();
  for (const { data } of rows) if (data.includes('"k":"version"')) collect(parseEventData(data), versions);
  const last = rows.findLast(({ data }) => data.includes('"x":['));
  const issued = last === undefined ? 0 : (parseEventData(last.data).x?.[0] ?? 0);
  return { events: rows.length, commands: Math.max(issued, ...inFlight), versions };
}

function collect({ o = [] }: EventData, versions: Map<string, (readonly [number, number])[]>): void {
  for (const note of o) {
    if (note.k !== "version") continue;
    const { id, version, commands } = note as unknown as { id: string; version: number; commands: number };
    const answers = versions.get(id) ?? [];
    answers.push([commands, version]);
    versions.set(id, answers);
  }
}
