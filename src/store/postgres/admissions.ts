/**
 * Admissions: asked for on connections that users lend, decided on those of the pool. See the migration for what is locked and what not.
 */
import { type ErrorCode, PerdureError } from "../../core/errors.ts";
import type {
  AdmissionCounts,
  AdmissionRequest,
  AdmissionRow,
  Admissions,
  Decided,
  Decision,
  Fate,
  LentTransaction,
  Ticket,
} from "../admissions.ts";
import { readRun } from "../rows.ts";
import type { Database } from "./database.ts";
import { sqlState } from "./failures.ts";
import { statementRunner } from "./lent-transaction.ts";
import type { Notices } from "./notices.ts";
import type { Columns } from "./session.ts";
import type { PostgresSettings } from "./settings.ts";
import { jsonText } from "./values.ts";

/** What `ask` notifies with; everybody else's hints are their names. */
export const ADMISSIONS_NOTICE = "admissions";
const CLOSED = -1;
const REASONS = 5;

export class PostgresAdmissions implements Admissions {
  readonly #database: Database;
  readonly #storeId: string;
  readonly #notices: Notices;
  readonly #sql: ReturnType<typeof statements>;

  constructor(database: Database, storeId: string, notices: Notices) {
    this.#database = database;
    this.#storeId = storeId;
    this.#notices = notices;
    this.#sql = statements(database.settings.schema);
  }

  async ask(transaction: LentTransaction, request: AdmissionRequest): Promise<Ticket> {
    const run = statementRunner(transaction);
    const { kind, workflowId, askedAt, body, after } = request;
    const place = after === undefined ? ["", ""] : [String(after.number), after.transaction];
    try {
      const [row] = await run(this.#sql.ask, [this.#storeId, kind, workflowId, String(askedAt), body, ...place]);
      const [number, xid] = ticketIn(row).split(":");
      return { number: Number(number), transaction: xid! };
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  /** The error of a statement in somebody's transaction, which that transaction will not outlive. */
  #refusal(error: unknown): Error {
    const state = stateIn(error);
    const refusal = refusalOf(state, this.#database.settings);
    if (refusal === undefined) return this.#database.error(error);
    return new PerdureError(...refusal, { details: { sqlState: state }, cause: error });
  }

  async fate({ number, transaction }: Ticket): Promise<Fate> {
    // What commits between the look at the row and the look at its transaction is seen by looking again.
    for (let again = false; ; again = true) {
      const [row] = await this.#database.read(this.#sql.fate, [number, transaction]);
      const [state, run, refused] = row!;
      if (run !== null) return { run: run as number };
      if (refused !== null) return { refused: refused as string };
      if (state === "open" || again) return state as "open" | "gone";
    }
  }

  async waiting(after: number, limit: number): Promise<AdmissionRow[]> {
    return (await this.#database.read(this.#sql.waiting, [after, limit])).map(admissionRow);
  }

  async decide(
    kind: "start" | "signal",
    at: number,
    decisions: readonly Decision[],
  ): Promise<ReadonlyMap<number, Decided>> {
    const [row] = await this.#database.write(this.#sql.admit, [kind, at, jsonText(decisions.map(itemOf))]);
    const answers = row![0] as unknown as readonly string[];
    const decided = new Map<number, Decided>();
    for (let i = 0; i < answers.length; i += 2) decided.set(Number(answers[i]), decidedOf(kind, answers[i + 1]!));
    if (decided.size > 0) this.#notices.tell();
    return decided;
  }

  async counts(): Promise<AdmissionCounts> {
    const [row] = await this.#database.read(this.#sql.counts);
    const [waiting, oldest, refused] = row!;
    const reasons = await this.#database.read(this.#sql.reasons, [REASONS]);
    return {
      waiting: waiting as number,
      oldest: oldest as number | null,
      refused: refused as number,
      reasons: reasons.map(([workflowId, why]) => ({ workflowId: workflowId as string, why: why as string })),
    };
  }

  watch(listener: () => void): () => void {
    return this.#notices.watch(listener, ADMISSIONS_NOTICE);
  }

  /** Forgets what was decided before `at`. Returns how much. */
  async forget(at: number, limit: number): Promise<number> {
    const [row] = await this.#database.write(this.#sql.forget, [at, limit]);
    return row![0] as number;
  }
}

function admissionRow(row: Columns): AdmissionRow {
  const [number, kind, workflowId, askedAt, body, afterNumber, afterXid] = row;
  return {
    number: number as number,
    kind: kind as "start" | "signal",
    workflowId: workflowId as string,
    askedAt: askedAt as number,
    body: body as string,
    after: afterNumber === null ? undefined : { number: afterNumber as number, transaction: afterXid as string },
  };
}

function itemOf(decision: Decision): object {
  return "signal" in decision ? { number: decision.number, ...decision.signal } : decision;
}

function decidedOf(kind: "start" | "signal", answer: string): Decided {
  if (answer === "refused") return "refused";
  if (answer === "again") return { conflict: undefined };
  if (answer.startsWith("[")) return { conflict: readRun(JSON.parse(answer) as Columns, 0) };
  const value = Number(answer);
  if (kind === "start") return { run: value };
  return value > 0 ? "delivered" : { unsent: value === CLOSED ? "closed" : "not_found" };
}

/** @throws PerdureError INVALID_ARGUMENT */
function ticketIn(row: unknown): string {
  const { ticket } = (row ?? {}) as { readonly ticket?: unknown };
  if (typeof ticket === "string") return ticket;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    "this transaction cannot be used: the rows it answers are no objects with the names of the columns",
  );
}

/** What a SQLSTATE says of a transaction that was lent; undefined where it says nothing of that. */
function refusalOf(
  state: string | undefined,
  { shown, schema }: PostgresSettings,
): [code: ErrorCode, message: string] | undefined {
  switch (state) {
    case "PF003":
    case "42P01":
    case "3F000":
    case "42883":
      return [
        "INVALID_ARGUMENT",
        `this transaction is not one of the database that the store ${shown} (schema ${schema}) is in`,
      ];
    case "25P02":
      return [
        "INVALID_ARGUMENT",
        "this transaction is aborted: a statement in it failed before, and all that the server takes now is a rollback. Roll back and begin anew, or set a savepoint before what may fail",
      ];
    case "25006":
      return [
        "INVALID_ARGUMENT",
        "this transaction is read only, and asking for a run writes a row: begin one that may write, on the primary",
      ];
    case "42501":
      return [
        "UNAVAILABLE",
        `the role of this transaction may not ask for anything in the store: grant usage on schema ${schema}, select on ${schema}.meta, insert and select on ${schema}.admissions to it`,
      ];
    default:
      return undefined;
  }
}

/** The SQLSTATE of the server's error, however deep a library has put it. */
function stateIn(error: unknown, depth = 0): string | undefined {
  if (typeof error !== "object" || error === null || depth > 5) return undefined;
  const own = sqlState(error);
  if (own !== undefined) return own;
  const { code, originalCode, cause, meta, driverAdapterError } = error as Readonly<Record<string, unknown>>;
  for (const value of [originalCode, code])
    if (typeof value === "string" && /^[0-9A-Z]{5}$/.test(value) && !/^P\d{4}$/.test(value)) return value;
  return stateIn(cause, depth + 1) ?? stateIn(meta, depth + 1) ?? stateIn(driverAdapterError, depth + 1);
}

function statements(schema: string) {
  const table = `${schema}.admissions`;
  return {
    ask: `select ${schema}.ask($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text) as ticket`,
    fate: `select case when a.number is not null then 'open' else ${schema}.fate($2) end, a.run, a.refused
      from (select $1::bigint as asked) q left join ${table} a on a.number = q.asked`,
    waiting: `select number, kind, workflow_id, asked_at, body, after_number, after_xid from ${table}
      where decided_at is null and number > $1 order by number limit $2`,
    admit: `select ${schema}.admit($1, $2, $3)`,
    counts: `select count(*) filter (where decided_at is null), min(asked_at) filter (where decided_at is null),
      count(*) filter (where refused is not null) from ${table}`,
    reasons: `select workflow_id, refused from ${table} where refused is not null order by number desc limit $1`,
    forget: `with gone as (delete from ${table} where number = any (array(
        select number from ${table} where decided_at < $1 order by decided_at limit $2)) returning 1)
      select count(*) from gone`,
  } as const;
}
