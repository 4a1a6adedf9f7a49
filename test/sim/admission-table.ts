/**
 * What users ask for inside their own transactions, as PostgreSQL keeps it: rows that nobody sees before their commit, decided once each,
 * those of one workflow id in the order of their numbers. Everything happens at one instant. What engines never learn is kept, too, for the
 * checks.
 */

import type { AdmissionRequest, AdmissionRow, Decided, Decision, Fate, Ticket } from "../../src/store/admissions.ts";
import type { MessageKind, NewRun, RunRow, SendResult, StartResult } from "../../src/store/store.ts";

/** The transaction that a row belongs to. */
export interface AskingTransaction {
  readonly xid: string;
  readonly state: "open" | "committed" | "aborted";
}

/** A row, and all that ever became of it. */
export interface Asked {
  readonly number: number;
  readonly request: AdmissionRequest;
  readonly transaction: AskingTransaction;
  readonly insertedAt: number;
  /** When it could first be seen. */
  seenAt: number;
  /** A savepoint before it was rolled back to. */
  undone: boolean;
  outcome: { readonly run: number } | { readonly refused: string } | "delivered" | undefined;
  decidedAt: number;
  /** Deleted since, as that is long ago. */
  forgotten: boolean;
}

/** The rest of the database. */
export interface AdmittingDatabase {
  start(run: NewRun): Promise<StartResult>;
  send(message: {
    readonly run: number;
    readonly kind: MessageKind;
    readonly name: string;
    readonly data: string;
    readonly at: number;
    readonly key: string | null;
  }): Promise<SendResult>;
  /** A decision was taken: called at that instant. */
  decided(asked: Asked): void;
  now(): number;
}

export class AdmissionTable {
  readonly all: Asked[] = [];
  readonly #database: AdmittingDatabase;
  readonly #listeners = new Set<() => void>();
  readonly #locked = new Set<number>();

  constructor(database: AdmittingDatabase) {
    this.#database = database;
  }

  /** A row of a transaction that is open. */
  insert(transaction: AskingTransaction, request: AdmissionRequest): Asked {
    const asked: Asked = {
      number: this.all.length + 1,
      request,
      transaction,
      insertedAt: this.#database.now(),
      seenAt: 0,
      undone: false,
      outcome: undefined,
      decidedAt: 0,
      forgotten: false,
    };
    this.all.push(asked);
    return asked;
  }

  /** The commit of a transaction shows its rows, and tells that there are some. */
  committed(transaction: AskingTransaction): void {
    const shown = this.all.filter((asked) => asked.transaction === transaction && !asked.undone);
    for (const asked of shown) asked.seenAt = this.#database.now();
    if (shown.length > 0) for (const listener of this.#listeners) queueMicrotask(listener);
  }

  /** Rows that wait, by number. */
  get undecided(): Asked[] {
    return this.all.filter((asked) => isSeen(asked) && asked.outcome === undefined);
  }

  async waiting(after: number, limit: number): Promise<AdmissionRow[]> {
    const rows = this.undecided.filter(({ number }) => number > after).slice(0, limit);
    return rows.map(({ number, request: { kind, workflowId, askedAt, body, after: ticket } }) => ({
      number,
      kind,
      workflowId,
      askedAt,
      body,
      after: ticket,
    }));
  }

  async fate({ number, transaction }: Ticket): Promise<Fate> {
    const asked = this.all[number - 1];
    if (asked?.transaction.xid !== transaction) return "gone";
    if (asked.transaction.state === "open") return "open";
    if (!isSeen(asked) || asked.forgotten || asked.outcome === "delivered") return "gone";
    return asked.outcome ?? "open";
  }

  async decide(
    kind: "start" | "signal",
    at: number,
    decisions: readonly Decision[],
  ): Promise<ReadonlyMap<number, Decided>> {
    const held = this.#hold(decisions.map(({ number }) => number));
    const answers = new Map<number, Decided>();
    try {
      for (const decision of inOrder(decisions.filter(({ number }) => held.has(number))))
        answers.set(decision.number, await this.#one(kind, at, decision));
    } finally {
      for (const number of held) this.#locked.delete(number);
    }
    return answers;
  }

  /** Locks what nobody else has and nothing else comes before. */
  #hold(wanted: readonly number[]): ReadonlySet<number> {
    const { undecided } = this;
    const free = new Set(wanted.filter((number) => !this.#locked.has(number)));
    const mine = undecided.filter(({ number }) => free.has(number));
    const first = mine.filter(
      ({ number, request: { workflowId } }) =>
        !undecided.some((one) => one.request.workflowId === workflowId && one.number < number && !free.has(one.number)),
    );
    const held = new Set(first.map(({ number }) => number));
    for (const number of held) this.#locked.add(number);
    return held;
  }

  async #one(kind: "start" | "signal", at: number, decision: Decision): Promise<Decided> {
    const asked = this.all[decision.number - 1]!;
    if ("refused" in decision) return this.#settle(asked, at, { refused: decision.refused }, "refused");
    if ("run" in decision) return this.#settle(asked, at, { run: decision.run }, { run: decision.run });
    if (kind === "start" && "start" in decision) {
      const result = await this.#database.start(decision.start);
      if ("conflict" in result) return { conflict: result.conflict satisfies RunRow };
      if ("orphan" in result) throw new Error("a run without parent has lost it");
      return this.#settle(asked, at, { run: result.run }, { run: result.run });
    }
    if (!("signal" in decision)) throw new Error(`a ${kind} is decided as if it were none`);
    const sent = await this.#database.send({ kind: "signal", ...decision.signal });
    return "refused" in sent ? { unsent: sent.refused } : this.#settle(asked, at, "delivered", "delivered");
  }

  #settle(asked: Asked, at: number, outcome: Asked["outcome"], answer: Decided): Decided {
    asked.outcome = outcome;
    asked.decidedAt = at;
    this.#database.decided(asked);
    return answer;
  }

  /** Deletes what was decided before `at`. */
  forget(at: number): void {
    for (const asked of this.all) if (asked.outcome !== undefined && asked.decidedAt < at) asked.forgotten = true;
  }

  watch(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }
}

/** Whether a row is there for others. */
function isSeen({ transaction, undone }: Asked): boolean {
  return transaction.state === "committed" && !undone;
}

/** Starts by their workflow ids, then all else; each by number. */
function inOrder(decisions: readonly Decision[]): Decision[] {
  const id = (decision: Decision): string => ("start" in decision ? decision.start.workflowId : "\uffff");
  return decisions.toSorted((a, b) => (id(a) < id(b) ? -1 : id(a) > id(b) ? 1 : a.number - b.number));
}
