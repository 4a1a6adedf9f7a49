/** What belongs to a chain of runs that continued one another, rather than to one of them: message keys and answers to updates. */
import type { AnswerRow, FirstMessage } from "../store.ts";
import type { MemoryRun } from "./tables.ts";

interface Key {
  readonly number: number;
  readonly at: number;
}

/** Keys and answers by the number of the chain. */
export class Chains {
  readonly #keys = new Map<number, Map<string, Key>>();
  readonly #answers = new Map<number, Map<number, AnswerRow>>();

  /** Number of the message that was sent with a key. */
  numberOf(chain: number, key: string | null): number | undefined {
    return key === null ? undefined : this.#keys.get(chain)?.get(key)?.number;
  }

  /** Puts a message into the inbox of a run, unless its key was there. Returns its number. */
  put(run: MemoryRun, { kind, name, data, at, key }: FirstMessage): number {
    const { row, messages } = run;
    const earlier = this.numberOf(row.chain, key);
    if (earlier !== undefined) return earlier;
    const number = ++row.inbox;
    messages.set(number, { run: row.run, number, kind, name, data, at });
    if (key !== null) of(this.#keys, row.chain).set(key, { number, at });
    return number;
  }

  answer(chain: number, row: AnswerRow): void {
    of(this.#answers, chain).set(row.number, { ...row });
  }

  answerTo(chain: number, number: number): AnswerRow | undefined {
    return this.#answers.get(chain)?.get(number);
  }

  /** All answers of a chain, by number. */
  answersOf(chain: number): AnswerRow[] {
    return [...(this.#answers.get(chain)?.values() ?? [])].sort((a, b) => a.number - b.number);
  }

  /** Numbers of updates that were accepted and not answered yet. */
  unanswered(chain: number): number[] {
    const answers = [...(this.#answers.get(chain)?.values() ?? [])].filter(({ status }) => status === "accepted");
    return answers.map(({ number }) => number).sort((a, b) => a - b);
  }

  /** Deletes the oldest from before `at`, at most `limit` of each kind, but no update that waits for its answer. Returns how many. */
  forgetBefore(at: number, limit: number): number {
    const owed = ({ status }: AnswerRow): boolean => status === "accepted";
    return deleteOldest(this.#keys, at, limit) + deleteOldest(this.#answers, at, limit, owed);
  }

  /** Deletes all of a chain. */
  forget(chain: number): void {
    this.#keys.delete(chain);
    this.#answers.delete(chain);
  }
}

function of<Key, Value>(maps: Map<number, Map<Key, Value>>, chain: number): Map<Key, Value> {
  const found = maps.get(chain) ?? new Map<Key, Value>();
  maps.set(chain, found);
  return found;
}

/** Deletes at most `limit` rows from before `at`, the oldest first, except those that are kept. Returns how many. */
function deleteOldest<K, Row extends { readonly at: number }>(
  chains: ReadonlyMap<number, Map<K, Row>>,
  at: number,
  limit: number,
  kept: (row: Row) => boolean = () => false,
): number {
  const old = [...chains.values()]
    .flatMap((rows) => Array.from(rows, ([key, row]) => ({ rows, key, row })))
    .filter(({ row }) => row.at < at && !kept(row))
    .sort((a, b) => a.row.at - b.row.at)
    .slice(0, limit);
  for (const { rows, key } of old) rows.delete(key);
  return old.length;
}
