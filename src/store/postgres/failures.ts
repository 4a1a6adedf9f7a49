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

/** Whether this connection leads to a standby, or did before the address was turned round: nothing was written. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(error) === "25006";
}

/** Whether the connection is of no use after this error. */
export function endsConnection(error: unknown): boolean {
  const state = sqlState(error);
  if (state === undefined) return !(error instanceof RangeError || error instanceof TypeError || isPerdureError(error));
  const broken = state.startsWith("57P") || state.startsWith("08") || state === "25P03" || state === "25P04";
  return broken || isReadOnly(error);
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
  const hint = HINTS[state ?? codeOf(error)] ?? HINTS[message] ?? "";
  return new PerdureError("UNAVAILABLE", `the PostgreSQL store ${shown} cannot be used: ${message}${hint}`, {
    details,
    cause: error,
  });
}

/** What the system or TLS calls it. */
function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" ? code : "";
}

/** Node tells about several addresses of a host in an error without a message. */
function messagesOf(error: Error): string {
  const { errors } = error as { readonly errors?: readonly Error[] };
  return [...new Set((errors ?? []).map(({ message }) => message))].join("; ") || error.name;
}

const POOLER = "; behind PgBouncer add prepare=false to the address, see the page on PostgreSQL";
const AUTHORITY =
  "; nobody known here vouches for the server: name the certificate of its authority with sslrootcert=FILE in the address";

/** What to do, by SQLSTATE, by the code of the system or of TLS, or by the words of the driver. */
const HINTS: Readonly<Record<string, string>> = {
  "08P01": POOLER,
  26000: POOLER,
  "42P05": POOLER,
  "3D000": "; create the database first: perdure makes a schema in it, not the database",
  28000:
    "; pg_hba.conf of the server lets this user in from here under other conditions, such as TLS (sslmode=require in the address), or not at all",
  "28P01": "; look at the user and the password in the address",
  42501: "; the role lacks a right, see the page on PostgreSQL for the rights it needs",
  "42P01": "; if the store is new, run: perdure migrate",
  42883: "; if the store is new, run: perdure migrate",
  53300: "; lower the number of engines or the pool, or raise max_connections",
  25006: "; the address leads to a standby, engines need the primary",
  ECONNREFUSED: "; nothing listens there: is the server running, and are host and port of the address right?",
  ENOTFOUND: "; look at the host in the address",
  ENOENT:
    "; sslrootcert, sslcert and sslkey in the address must name files that can be read here, and host, if it is a folder, that of the server's socket",
  DEPTH_ZERO_SELF_SIGNED_CERT: AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: AUTHORITY,
  ERR_TLS_CERT_ALTNAME_INVALID:
    "; the certificate is for another name: write that one in the address, or check only the authority with sslmode=verify-ca",
  "The server does not support SSL connections":
    "; turn on ssl in the server, or leave out sslmode if the way to it is safe",
  "SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string":
    "; the server wants a password: put it in the address, or in PGPASSWORD",
  "timeout expired": "; there was no answer in time: look for a firewall in between, or an overloaded server",
};
