/**
 * The parameters an address of PostgreSQL may have. The list is closed: what nobody would read is refused, as something may depend
 * on it.
 */
import { PerdureError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggestion.ts";

/** Those that are read here; the driver does not get to see them. */
export const OWN = ["schema", "pool", "transactions", "prepare", "listen", "application_name", "options"] as const;

/** Those that the driver reads. */
const DRIVER = [
  "user",
  "password",
  "host",
  "port",
  "fallback_application_name",
  "statement_timeout",
  "lock_timeout",
  "idle_in_transaction_session_timeout",
  "query_timeout",
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "sslnegotiation",
];

const ANY = /^/;

/** Those that libpq or the driver know and that change nothing here, with the values of which that is true. */
const WITHOUT_EFFECT: Readonly<Record<string, RegExp>> = {
  // Times are those of this package.
  connect_timeout: ANY,
  keepalives: ANY,
  keepalives_idle: ANY,
  keepalives_interval: ANY,
  keepalives_count: ANY,
  tcp_user_timeout: ANY,
  // What is promised anyway, or nothing.
  client_encoding: /^(utf-?8|unicode|auto)$/i,
  target_session_attrs: /^(any|read-write|primary)$/,
  load_balance_hosts: ANY,
  channel_binding: /^(disable|prefer)$/,
  gssencmode: /^(disable|prefer)$/,
  sslcompression: /^0$/,
  uselibpqcompat: /^true$/,
};

/** Words of others, and what is meant by them. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  ssl: "write sslmode=verify-full, or sslmode=disable",
  dbname: "write the database as the path: postgres://host/database",
  database: "write the database as the path: postgres://host/database",
  channel_binding: "leave it out, and write sslmode=verify-full to be sure of the server",
  uselibpqcompat: "leave it out: sslmode always means what it means for libpq",
  target_session_attrs: "leave it out: engines need the primary",
  client_encoding: "leave it out: everything is UTF-8",
};

/** @throws PerdureError INVALID_ARGUMENT for a parameter, or a value of one, that would be ignored */
export function checkParameters(parameters: URLSearchParams): void {
  const known = [...OWN, ...DRIVER, ...Object.keys(WITHOUT_EFFECT)];
  for (const [name, value] of parameters) {
    const harmless = Object.hasOwn(WITHOUT_EFFECT, name) ? WITHOUT_EFFECT[name] : undefined;
    if (harmless?.test(value) ?? known.includes(name)) continue;
    const shown = harmless === undefined ? name : `${name}=${value}`;
    const other = Object.hasOwn(OTHER_WORDS, name) ? OTHER_WORDS[name] : undefined;
    const hint = other ?? didYouMean(name, known) ?? `known are ${known.join(", ")}`;
    throw new PerdureError("INVALID_ARGUMENT", `the store address has "${shown}", which is not supported; ${hint}`);
  }
}
