/**
 * Admits what users asked for inside their transactions, once those have committed: runs are started, signals delivered, and what cannot be
 * is refused with the reason (rule 15).
 *
 * Owner: the engine. Any engine admits, whatever code it has; the store decides each admission once, in the transaction that starts the run or
 * delivers the signal. What is asked for under one workflow id happens in the order it was asked for. Hints make it look at once, looking
 * every `pollMs` is the truth (rule 26).
 */
import { isPerdureError, PerdureError } from "../core/errors.ts";
import { encodePayload } from "../core/payload.ts";
import type { AdmissionRow, Admissions, Decided, Decision } from "../store/admissions.ts";
import type { RunRow, Store } from "../store/store.ts";
import type { Logger } from "../workflow/logger.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { type PreparedStart, runOf } from "./new-run.ts";
import { type IdPolicy, type Taken, whenTaken } from "./taken-id.ts";
import { terminateUnowned } from "./terminate.ts";

/** A start that was asked for: the body of its admission, as JSON. */
export type AskedStart = PreparedStart & Pick<IdPolicy, "reuse" | "conflict">;

/** A signal that was asked for. Without `run` it is for the run of the start it comes after. */
export interface AskedSignal {
  readonly run?: number;
  readonly name: string;
  readonly data: string;
  readonly key: string | null;
}

/** Why something was refused, kept as JSON. */
export interface Refused {
  readonly code: PerdureError["code"];
  readonly message: string;
  readonly details: PerdureError["details"];
}

/** What the admitter needs from its engine. */
export interface AdmitterHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** Runs were started, or have messages; or something was refused. */
  admitted(): void;
}

const PAGE = 50;
/** How often a start is tried anew when its id is taken, freed, and taken again. */
const MAX_TRIES = 5;
/** How soon to look again at a start that waits for the end of another run. */
const SOON_MS = 100;

export class Admitter {
  readonly #host: AdmitterHost;
  readonly #pollMs: number;
  #timer: CancelTimer | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #soon = false;
  #stopped = true;
  #unwatch: (() => void) | undefined;

  constructor(host: AdmitterHost, pollMs: number) {
    this.#host = host;
    this.#pollMs = pollMs;
  }

  /** Resolves when it has looked once. */
  async start(): Promise<void> {
    const { admissions } = this.#host.store;
    if (admissions === undefined) return;
    this.#stopped = false;
    this.#unwatch = admissions.watch(() => this.#hint(admissions));
    this.#hint(admissions);
    await this.#looking;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.();
    this.#unwatch?.();
    await this.#looking;
  }

  #hint(admissions: Admissions): void {
    if (this.#stopped) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer?.();
    this.#looking = this.#look(admissions).finally(() => {
      this.#looking = undefined;
      if (this.#stopped) return;
      if (this.#again) {
        this.#again = false;
        this.#hint(admissions);
      } else {
        const wait = this.#soon ? Math.min(SOON_MS, this.#pollMs) : this.#pollMs;
        this.#timer = this.#host.clock.after(wait, () => this.#hint(admissions));
      }
    });
  }

  async #look(admissions: Admissions): Promise<void> {
    this.#soon = false;
    try {
      for (let after = 0; !this.#stopped; ) {
        const rows = await admissions.waiting(after, PAGE);
        if (rows.length > 0) await new Admitting(this.#host, admissions, () => (this.#soon = true)).all(rows);
        if (rows.length < PAGE) return;
        after = rows.at(-1)!.number;
      }
    } catch (error) {
      if (!this.#stopped) this.#host.log.warn({ error: String(error) }, "admitting failed; trying again");
    }
  }
}

/** Admitting a page of admissions. */
class Admitting {
  readonly #host: AdmitterHost;
  readonly #admissions: Admissions;
  readonly #waits: () => void;
  /** Workflow ids for which the first in line could not be decided now: what comes behind has to wait. */
  readonly #held = new Set<string>();

  /** Calls `waits` when something has to wait for a run that is ending. */
  constructor(host: AdmitterHost, admissions: Admissions, waits: () => void) {
    this.#host = host;
    this.#admissions = admissions;
    this.#waits = waits;
  }

  async all(rows: readonly AdmissionRow[]): Promise<void> {
    for (let left = rows; left.length > 0; ) {
      const { starts, signals, rest } = firstInLine(left);
      if (starts.length > 0) await this.#start(starts);
      if (signals.length > 0) await this.#signal(signals);
      this.#host.admitted();
      left = rest.filter(({ workflowId }) => !this.#held.has(workflowId));
    }
  }

  async #start(rows: readonly AdmissionRow[]): Promise<void> {
    const asked = new Map(rows.map((row) => [row.number, { row, start: JSON.parse(row.body) as AskedStart }]));
    let decisions = [...asked.values()].map(({ row, start }) => this.#run(row, start, null));
    for (let tries = 1; decisions.length > 0 && tries <= MAX_TRIES; tries++) {
      const decided = await this.#decide("start", decisions);
      const next: Decision[] = [];
      for (const decision of decisions) {
        const { row, start } = asked.get(decision.number)!;
        const answer = decided.get(decision.number);
        const again = await this.#unlessDone(row, decision, answer, (holder) => this.#whenTaken(row, start, holder));
        if (again !== undefined) next.push(again);
      }
      decisions = next;
    }
    for (const { number } of decisions) this.#hold(asked.get(number)!.row);
  }

  #run({ number, askedAt }: AdmissionRow, start: AskedStart, supersedes: number | null): Decision {
    const now = this.#host.clock.now();
    const delayMs = Math.max(0, askedAt + start.delayMs - now);
    return { number, start: runOf({ ...start, delayMs }, now, false, supersedes) };
  }

  /** What to try next, if anything. */
  async #unlessDone(
    row: AdmissionRow,
    decision: Decision,
    answer: Decided | undefined,
    taken: (holder: RunRow) => Promise<Decision | undefined>,
  ): Promise<Decision | undefined> {
    if (answer === undefined) this.#hold(row);
    else if (answer === "refused") this.#tellRefused(row, decision);
    else if (typeof answer === "object" && "conflict" in answer)
      return answer.conflict === undefined ? decision : taken(answer.conflict);
    else if (typeof answer === "object" && "unsent" in answer) return refusal(row, unsent(row, answer.unsent));
    return undefined;
  }

  async #whenTaken(row: AdmissionRow, start: AskedStart, holder: RunRow): Promise<Decision | undefined> {
    let taken: Taken;
    try {
      taken = whenTaken(holder, start);
    } catch (error) {
      if (!isPerdureError(error)) throw error;
      return refusal(row, error);
    }
    if (taken === "attach") return { number: row.number, run: holder.run };
    // What goes wrong while it is being ended is no answer to the start: it is tried again.
    if (taken === "replace" || (await this.#ended(row, holder))) return this.#run(row, start, holder.run);
    this.#waits();
    this.#hold(row);
    return undefined;
  }

  /** Ends a run that is to be replaced. False: it was told to end, and will. */
  async #ended(row: AdmissionRow, holder: RunRow): Promise<boolean> {
    const { store, clock } = this.#host;
    const reason = "replaced by a new start";
    if (holder.owner === null && (await terminateUnowned(store, holder, reason, clock.now()))) return true;
    const told = { kind: "terminate", name: "", data: encodePayload(reason), at: clock.now() } as const;
    await store.send({ run: holder.run, ...told, key: `admission:${row.number}` });
    return false;
  }

  async #signal(rows: readonly AdmissionRow[]): Promise<void> {
    const waiting = new Map(rows.map((row) => [row.number, row]));
    let decisions: Decision[] = [];
    for (const row of rows) {
      const decision = this.#held.has(row.workflowId) ? undefined : await this.#delivery(row);
      if (decision === undefined) this.#hold(row);
      else decisions.push(decision);
    }
    while (decisions.length > 0) {
      const decided = await this.#decide("signal", decisions);
      const next: Decision[] = [];
      for (const decision of decisions) {
        const row = waiting.get(decision.number)!;
        const again = await this.#unlessDone(row, decision, decided.get(decision.number), async () => undefined);
        if (again !== undefined) next.push(again);
      }
      decisions = next;
    }
  }

  /** Undefined: the start it comes after may still be admitted. */
  async #delivery(row: AdmissionRow): Promise<Decision | undefined> {
    const { number, askedAt, after } = row;
    const { run, name, data, key } = JSON.parse(row.body) as AskedSignal;
    const to = run !== undefined ? { run } : await this.#admissions.fate(after!);
    if (to === "open") return undefined;
    if (to === "gone") return refusal(row, unsent(row, "not_found"));
    if ("refused" in to) return { number, refused: to.refused };
    return { number, signal: { run: to.run, name, data, at: askedAt, key } };
  }

  /** What the store cannot keep is found out one by one, and refused (rule 16). */
  async #decide(kind: "start" | "signal", decisions: readonly Decision[]): Promise<ReadonlyMap<number, Decided>> {
    const at = this.#host.clock.now();
    try {
      return await this.#admissions.decide(kind, at, decisions);
    } catch (error) {
      if (!isPerdureError(error, "INTERNAL")) throw error;
      const [only, ...others] = decisions;
      if (others.length === 0) {
        const { code, message, details } = error;
        const why: Refused = { code, message, details };
        return this.#admissions.decide(kind, at, [{ number: only!.number, refused: JSON.stringify(why) }]);
      }
      const decided = new Map<number, Decided>();
      for (const decision of decisions)
        for (const [number, answer] of await this.#decide(kind, [decision])) decided.set(number, answer);
      return decided;
    }
  }

  #hold({ workflowId }: AdmissionRow): void {
    this.#held.add(workflowId);
  }

  #tellRefused({ kind, workflowId }: AdmissionRow, decision: Decision): void {
    const { code, message } = "refused" in decision ? (JSON.parse(decision.refused) as Refused) : UNKNOWN;
    this.#host.log.warn({ workflowId, code }, `a ${kind} that was asked for in a transaction is refused: ${message}`);
  }
}

const UNKNOWN = { code: "INTERNAL", message: "the store cannot keep it" } as const;

/** What can be decided now: for each workflow id its first start, or the signals before that. */
function firstInLine(rows: readonly AdmissionRow[]): {
  readonly starts: AdmissionRow[];
  readonly signals: AdmissionRow[];
  readonly rest: AdmissionRow[];
} {
  const line = new Map<string, "start" | "signal">();
  const [starts, signals, rest]: [AdmissionRow[], AdmissionRow[], AdmissionRow[]] = [[], [], []];
  for (const row of rows) {
    const { kind, workflowId } = row;
    const before = line.get(workflowId);
    if (before === undefined) line.set(workflowId, kind);
    // Nothing overtakes what has to wait for the next time.
    else if (before === "start" || kind === "start") line.set(workflowId, "start");
    if (before !== undefined && line.get(workflowId) === "start") rest.push(row);
    else (kind === "start" ? starts : signals).push(row);
  }
  return { starts, signals, rest };
}

function refusal({ number }: AdmissionRow, { code, message, details }: PerdureError): Decision {
  const why: Refused = { code, message, details };
  return { number, refused: JSON.stringify(why) };
}

function unsent({ workflowId }: AdmissionRow, why: "closed" | "not_found"): PerdureError {
  return why === "closed"
    ? new PerdureError("RUN_CLOSED", `${workflowId} has ended; it takes no more messages`, { details: { workflowId } })
    : new PerdureError("NOT_FOUND", `the run of ${workflowId} that was meant does not exist`, {
        details: { workflowId },
      });
}
