/**
 * What goes with the next transition of one run beside its events, on its way to the store: messages to other runs, answers to updates,
 * kept outcomes that are used up, facts for its row.
 *
 * Owner: the run's outbox. Kept here: I9, rule 12 (as in ARCHITECTURE.md): each is written once, in the commit of the transition it was
 * taken for; what was taken is given back when that is refused.
 */
import type { ClosedStatus } from "../core/status.ts";
import type { Also, MessageRow, NewMessage } from "../store/store.ts";
import { Answers } from "./answers.ts";
import type { Clock } from "./clock.ts";
import { updatesIn } from "./end-notices.ts";
import type { ResultHost, RunFacts } from "./run-facts.ts";

export class Enclosures {
  readonly #about: RunFacts;
  readonly #host: ResultHost & { readonly clock: Clock };
  #sends: NewMessage[] = [];
  #answersMade: Answers | undefined;
  /** Transactional steps whose kept outcome is in the history now. */
  #outcomes: number[] = [];
  #facts: Also["facts"];

  constructor(about: RunFacts, host: ResultHost & { readonly clock: Clock }) {
    this.#about = about;
    this.#host = host;
  }

  get any(): boolean {
    return (
      this.#answersMade?.any === true ||
      this.#sends.length > 0 ||
      this.#outcomes.length > 0 ||
      this.#facts !== undefined
    );
  }

  /** Answers to updates. Made with the first: most runs have none. */
  get answers(): Answers {
    this.#answersMade ??= new Answers(this.#about, this.#host);
    return this.#answersMade;
  }

  /** A message to another run. */
  send(message: NewMessage): void {
    this.#sends.push(message);
  }

  /** Written to the run's row. */
  tell(facts: NonNullable<Also["facts"]>): void {
    this.#facts = { ...this.#facts, ...facts };
  }

  /** The outcome that the store keeps of a transactional step goes into the history. */
  useUp(command: number): void {
    this.#outcomes.push(command);
  }

  /** The run ends: its updates, and those among the messages that are left, will not be answered. */
  close(left: readonly MessageRow[], status: ClosedStatus, at: number): void {
    const updates = updatesIn(left);
    if (this.#answersMade !== undefined || updates.length > 0) this.answers.close(updates, status, at);
  }

  take(): Also {
    const also: Also = {
      ...(this.#sends.length > 0 && { sends: this.#sends }),
      ...(this.#answersMade?.any === true && { answers: this.#answersMade.take() }),
      ...(this.#outcomes.length > 0 && { outcomes: this.#outcomes }),
      ...(this.#facts !== undefined && { facts: this.#facts }),
    };
    this.#sends = [];
    this.#outcomes = [];
    this.#facts = undefined;
    return also;
  }

  /** What was taken and not written. */
  giveBack({ sends = NONE, answers = NONE, outcomes = NONE, facts }: Also): void {
    // What the end of the run would have told its parent is made anew when it ends.
    this.#sends = [...sends.filter(({ kind }) => kind !== "outcome"), ...this.#sends];
    if (answers.length > 0) this.answers.giveBack(answers);
    this.#outcomes = [...outcomes, ...this.#outcomes];
    if (facts !== undefined) this.#facts = { ...facts, ...this.#facts };
  }
}

const NONE: readonly never[] = [];
