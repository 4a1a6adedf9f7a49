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

  /** Deletes what is older than `at`, except updates that still wait for their answer. Returns how many. */
  forgetBefore(at: number): number {
    let forgotten = 0;
    for (const keys of this.#keys.values()) {
      for (const [key, row] of keys) if (row.at < at && keys.delete(key)) forgotten++;
    }
    for (const answers of this.#answers.values()) {
      for (const [number, row] of answers) {
        if (row.at < at && row.status !== "accepted" && answers.delete(number)) forgotten++;
      }
    }
    return forgotten;
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
