/**
 * Runs as they are kept after their store has forgotten them: a recorded history with what else the store knew, as one line of JSON.
 * Anything that reads recorded histories reads such a line. Payloads are as the store had them, so what a codec encrypted stays
 * encrypted; secrets are left out.
 */
import { formatRunId } from "../core/ids.ts";
import type { OnParentClose } from "../core/status.ts";
import type { AnswerRow, DefinitionRow, LoadedRun, MessageRow, RunRow, Store } from "../store/store.ts";
import { formatHistoryLine, type RecordedHistory } from "./recorded-history.ts";
import { recordedHistory } from "./recording.ts";

/** A run that has ended, whole. Times are epoch milliseconds; payloads and the data of events are JSON text as stored. */
export interface ArchivedRun extends RecordedHistory {
  readonly closedAt: number;
  /** Run id of the first of the runs that continued one another; its own when it continued none. */
  readonly chain: string;
  /** The command of `parent` that started it. */
  readonly parentCommand: {
    readonly command: number;
    readonly generation: number;
    readonly onClose: OnParentClose;
  } | null;
  /** What its updates were answered while it was open, as far as that is remembered. */
  readonly answers: readonly AnswerRow[];
  /** Messages it never took. */
  readonly messages: readonly Omit<MessageRow, "run">[];
  /** Number of the last message in its inbox. */
  readonly inbox: number;
  /** JSON text given at start for people and tools. */
  readonly meta: string | null;
  /** The last progress it told, a payload. */
  readonly progress: string | null;
  /** Takeovers after a crash since its last progress. */
  readonly crashes: number;
}

/** One line, with its end. */
export function archiveLine(run: ArchivedRun): string {
  return formatHistoryLine(run);
}

/** A run to be archived, and its length when it was read. */
export interface ReadRun {
  readonly run: number;
  readonly length: number;
  readonly archived: ArchivedRun;
}

const NO_ANSWERS: ReadonlyMap<number, readonly AnswerRow[]> = new Map();

/** Reads runs whole. Owner: whoever archives; definitions are read once. */
export class RunReader {
  readonly #store: Store;
  readonly #definitions = new Map<string, DefinitionRow | undefined>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Those of the runs that are still as they were found: one that has gone on since, and may have ended again, is not old any more. */
  async read(rows: readonly Pick<RunRow, "run" | "inbox" | "length">[]): Promise<ReadRun[]> {
    const told = rows.filter(({ inbox }) => inbox > 0).map(({ run }) => run);
    const [loaded, answers] = await Promise.all([
      this.#store.load(
        rows.map(({ run }) => run),
        Number.MAX_SAFE_INTEGER,
      ),
      told.length === 0 ? NO_ANSWERS : this.#store.answersOf(told),
    ]);
    const lengths = new Map(rows.map(({ run, length }) => [run, length]));
    const closed = loaded.filter(({ row }) => row.closedAt !== null && row.length === lengths.get(row.run));
    const read: ReadRun[] = [];
    for (const one of closed) {
      const { run, length, version } = one.row;
      const definition = version === null ? undefined : await this.#definition(version);
      read.push({ run, length, archived: archivedRun(this.#store.id, one, answers.get(run) ?? [], definition) });
    }
    return read;
  }

  async #definition(hash: string): Promise<DefinitionRow | undefined> {
    if (!this.#definitions.has(hash)) this.#definitions.set(hash, await this.#store.definition(hash));
    return this.#definitions.get(hash);
  }
}

function archivedRun(
  storeId: string,
  loaded: LoadedRun,
  answers: readonly AnswerRow[],
  definition: DefinitionRow | undefined,
): ArchivedRun {
  const { row, messages } = loaded;
  const { parent, createdAt, closedAt, chain, inbox, meta, progress, crashes } = row;
  return {
    ...recordedHistory(storeId, loaded, definition?.body ?? null),
    closedAt: closedAt!,
    chain: formatRunId(storeId, chain),
    parentCommand:
      parent === null ? null : { command: parent.command, generation: parent.generation, onClose: parent.onClose },
    answers: answers.filter(({ at }) => at >= createdAt && at <= closedAt!),
    messages: messages.map(({ run: _, ...message }) => message),
    inbox,
    meta,
    progress,
    crashes,
  };
}
