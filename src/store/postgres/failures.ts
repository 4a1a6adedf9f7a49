/** Errors of the database and of the way to it, in the codes of this package. */
import { isPerdureError, PerdureError } from "../../core/errors.ts";

/** What a failed statement means for its sender. */
type Kind =
  /** A value cannot be kept: trying again is in vain (rule 16). */
  | "data"
  /** The transaction was rolled back in favour of another one: trying again at once is right. */
  | "yielded"
  /** The fence of a commit did not hold. */
  | "fenced"
  /** Everything else: the way to the database, or the database itself. */
  | "environment";

/** The SQLSTATE of an error that the server sent. */
export function sqlState(error: unknown): string | undefined {
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown };
  return typeof code === "string" && severity !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

export function kindOf(error: unknown): Kind {
  const state = sqlState(error);
  if (state === undefined) return error instanceof RangeError || error instanceof TypeError ? "data" : "environment";
  if (state === "PF001") return "fenced";
  if (state === "40001" || state === "40P01") return "yielded";
  return /^(2[123]|54|PF)/.test(state) ? "data" : "environment";
}

/** Whether the connection is of no use after this error. */
export function endsConnection(error: unknown): boolean {
  const state = sqlState(error);
  if (state === undefined) return !(error instanceof RangeError || error instanceof TypeError || isPerdureError(error));
  return state.startsWith("57P") || state.startsWith("08") || state === "25P03" || state === "25P04";
}

/** An error as callers of a store get it. */
export function storeError(error: unknown, shown: string): PerdureError {
  if (isPerdureError(error)) return error;
  const message = error instanceof Error ? error.message || messagesOf(error) : String(error);
  const state = sqlState(error);
  const details = state === undefined ? {} : { sqlState: state };
  if (kindOf(error) === "data") {
    return new PerdureError("INTERNAL", `the PostgreSQL store refused a write or a question: ${message}`, {
      details,
      cause: error,
    });
  }
  const hint = HINTS[state ?? ""] ?? "";
  return new PerdureError("UNAVAILABLE", `the PostgreSQL store ${shown} cannot be used: ${message}${hint}`, {
    details,
    cause: error,
  });
}

/** Node tells about several addresses of a host in an error without a message. */
function messagesOf(error: Error): string {
  const { errors } = error as { readonly errors?: readonly Error[] };
  return [...new Set((errors ?? []).map(({ message }) => message))].join("; ") || error.name;
}

const HINTS: Readonly<Record<string, string>> = {
  "08P01": "; behind PgBouncer in transaction mode add prepare=false&listen=false to the address",
  "3D000": "; create the database first: perdure makes a schema in it, not the database",
  "28P01": "; look at the user and the password in the address",
  "42501": "; the role lacks a right, see the page on PostgreSQL for the rights it needs",
  "42P01": "; if the store is new, run: perdure migrate",
  "42883": "; if the store is new, run: perdure migrate",
  "53300": "; lower the number of engines or the pool, or raise max_connections",
  "25006": "; the address leads to a standby, engines need the primary",
};
