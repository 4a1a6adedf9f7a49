/**
 * What a run told of itself for its row: tags and progress.
 *
 * Owner: the run's actor. It is gathered on replay, too: a crash may have kept the last of it from the row.
 */
import { encodePayload, type Payload, type PayloadCodec, reviveParsed } from "../core/payload.ts";
import type { RunFacts } from "./run-facts.ts";

/** Columns of the row. */
export interface ToldFacts {
  readonly tags?: string;
  readonly progress?: Payload;
}

/** Whether a note says something for the row. */
export function tellsOfTheRun(kind: string): boolean {
  return kind === "progress" || kind === "tag";
}

export class Told {
  readonly #before: Pick<RunFacts, "tags" | "progress">;
  readonly #codec: PayloadCodec | undefined;
  /** Undefined until the code said something of tags. */
  #tags: Record<string, string> | undefined;
  #progress: Payload | undefined;

  constructor(before: Pick<RunFacts, "tags" | "progress">, codec: PayloadCodec | undefined) {
    this.#before = before;
    this.#codec = codec;
  }

  /** JSON text of all tags. */
  get tags(): string {
    return JSON.stringify(this.#tags ?? this.#before.tags);
  }

  /** Takes a note; returns what it changes in the row. */
  note(kind: string, data: Readonly<Record<string, unknown>>): ToldFacts | undefined {
    if (kind === "progress") {
      this.#progress = encodePayload(reviveParsed(data.value), this.#codec);
      return { progress: this.#progress };
    }
    if (kind !== "tag") return undefined;
    const tags = { ...(this.#tags ?? this.#before.tags) };
    this.#tags = tags;
    for (const [key, value] of Object.entries(data.tags as Readonly<Record<string, unknown>>)) {
      if (value === null) delete tags[key];
      else tags[key] = String(value);
    }
    return { tags: this.tags };
  }

  /** After a replay: what the row lacks. */
  missing(): ToldFacts | undefined {
    const { tags: before } = this.#before;
    const tags = sameTags(this.#tags ?? before, before) ? undefined : this.tags;
    const progress = this.#progress === this.#before.progress ? undefined : this.#progress;
    if (tags === undefined && progress === undefined) return undefined;
    return { ...(tags !== undefined && { tags }), ...(progress !== undefined && { progress }) };
  }
}

function sameTags(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}
