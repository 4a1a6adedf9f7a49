/** Answers to the updates of one run, on their way to the store. Owner: the run's outbox. */

import type { Ending } from "../core/ending.ts";
import { parseEvent } from "../core/events.ts";
import { type Failure, toFailure } from "../core/failure.ts";
import type { ReplayRow } from "../core/resume.ts";
import type { AnswerRow, Store } from "../store/store.ts";
import type { Clock } from "./clock.ts";
import { saysUnanswered, unanswered } from "./end-notices.ts";
import { encodeResult, type ResultHost, type RunFacts } from "./run-facts.ts";
import { redactFailure } from "./secrets.ts";

export class Answers {
  readonly #about: RunFacts;
  readonly #host: ResultHost & { readonly clock: Clock };
  #waiting: AnswerRow[] = [];
  /** Updates that were accepted and not answered. */
  #open: Set<number> | undefined;

  constructor(about: RunFacts, host: ResultHost & { readonly clock: Clock }) {
    this.#about = about;
    this.#host = host;
  }

  get any(): boolean {
    return this.#waiting.length > 0;
  }

  take(): readonly AnswerRow[] {
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  /** Answers that were not written after all. */
  giveBack(answers: readonly AnswerRow[]): void {
    this.#waiting = [...answers, ...this.#waiting];
  }

  /** Updates that earlier engines accepted. */
  restore(numbers: readonly number[]): void {
    for (const number of numbers) this.#accept(number);
  }

  accepted(number: number, at: number): void {
    this.#accept(number);
    this.#waiting.push({ number, status: "accepted", data: "", at });
  }

  /** The handler of an update has ended. Told again on replay, where only what was not answered counts. */
  ended(number: number, ending: Ending): void {
    if (this.#open?.delete(number) === true) this.#waiting.push(this.#row(number, ending));
  }

  #accept(number: number): void {
    this.#open ??= new Set();
    this.#open.add(number);
  }

  reject(number: number, error: unknown): void {
    this.#waiting.push(this.#rejection(number, error, this.#host.clock.now()));
  }

  /** These updates are answered by somebody else. */
  forget(numbers: readonly number[]): void {
    for (const number of numbers) this.#open?.delete(number);
  }

  /** The run ends: what it has accepted and what is left in its inbox will not be answered. */
  close(left: readonly number[], status: string, at: number): void {
    if (this.#open === undefined && left.length === 0) return;
    const open = [...(this.#open ?? []), ...left];
    this.#waiting.push(...unanswered(open, this.#about.workflowId, status, at));
    this.#open = undefined;
  }

  #row(number: number, ending: Ending): AnswerRow {
    const at = this.#host.clock.now();
    if (!ending.ok) return this.#rejection(number, ending.error, at);
    try {
      const data = encodeResult(this.#host, this.#about, ending.value, "the answer of an update");
      return { number, status: "completed", data, at };
    } catch (error) {
      return this.#rejection(number, error, at);
    }
  }

  #rejection(number: number, error: unknown, at: number): AnswerRow {
    const failure = redactFailure(this.#about.secrets, toFailure(error));
    return { number, status: "rejected", data: JSON.stringify(failure), at };
  }
}

/** Numbers of the updates among these events that were told of the end of their run: when it goes on they have their answer yet to come. */
export async function leftUnanswered(store: Store, run: number, rows: readonly ReplayRow[]): Promise<number[]> {
  const updates = new Set(rows.filter(({ type }) => type === "UpdateAccepted").map((row) => parseEvent(row).data.m));
  if (updates.size === 0) return [];
  const answers = (await store.answersOf([run])).get(run) ?? [];
  return answers
    .filter(({ number, status }) => status === "rejected" && updates.has(number))
    .filter(({ data }) => saysUnanswered(JSON.parse(data) as Failure))
    .map(({ number }) => number);
}

/** These updates are accepted again, as if nothing had been said about them since. */
export function acceptedAnew(numbers: readonly number[], at: number): readonly AnswerRow[] {
  return numbers.map((number) => ({ number, status: "accepted", data: "", at }));
}
