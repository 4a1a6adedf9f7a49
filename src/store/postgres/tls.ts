/**
 * TLS as an address asks for it. The words of `sslmode` are those of libpq, and mean the same; those that cannot be kept are refused.
 */
import { PerdureError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggestion.ts";

const MODES = ["disable", "require", "verify-ca", "verify-full"];
const FILES = ["sslrootcert", "sslcert", "sslkey"] as const;

/** Words that others know, and why not here. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  allow:
    "it would do with a connection that is not encrypted, and there is no second try here; write require, or disable",
  prefer:
    "it would do with a connection that is not encrypted, and there is no second try here; write require, or disable",
  "no-verify": "the word of libpq is require",
};

/**
 * Puts TLS into words that the driver takes as they are meant: it has meanings of its own unless it is told to have those of libpq, and
 * looks at `PGSSLMODE` by itself.
 *
 * @throws PerdureError INVALID_ARGUMENT
 */
export function settleTls(parameters: URLSearchParams, env: Readonly<Record<string, string | undefined>>): void {
  const mode = parameters.get("sslmode") ?? (hasFiles(parameters) ? "verify-full" : env.PGSSLMODE || undefined);
  const direct = parameters.get("sslnegotiation");
  if (mode !== undefined) {
    checkMode(mode, parameters.has("sslmode") || hasFiles(parameters) ? "the store address" : "PGSSLMODE");
    checkFiles(mode, parameters);
    parameters.set("sslmode", mode);
    parameters.set("uselibpqcompat", "true");
  } else parameters.delete("uselibpqcompat");
  if (direct === null) return;
  if (direct !== "postgres" && direct !== "direct")
    throw invalid(`"sslnegotiation=${direct}" in the store address must be postgres or direct`);
  if (direct === "direct" && (mode ?? "disable") === "disable")
    throw invalid("sslnegotiation=direct in the store address needs sslmode=require, verify-ca or verify-full");
}

function hasFiles(parameters: URLSearchParams): boolean {
  return FILES.some((name) => parameters.has(name));
}

function checkMode(mode: string, from: string): void {
  if (MODES.includes(mode)) return;
  const other = Object.hasOwn(OTHER_WORDS, mode) ? OTHER_WORDS[mode] : undefined;
  const hint = other ?? didYouMean(mode, MODES) ?? `it can be ${MODES.join(", ")}`;
  throw invalid(`"sslmode=${mode}" in ${from} is not supported: ${hint}`);
}

function checkFiles(mode: string, parameters: URLSearchParams): void {
  const authority = parameters.get("sslrootcert");
  if (authority === "system")
    throw invalid(
      "sslrootcert=system in the store address is not supported: leave it out, and sslmode=verify-full goes by the authorities that Node knows (with node --use-system-ca also by those of the system)",
    );
  if (mode === "verify-ca" && !authority)
    throw invalid(
      "sslmode=verify-ca in the store address needs sslrootcert=FILE: that a server has a certificate of any public authority proves nothing; or write sslmode=verify-full",
    );
  if (parameters.has("sslcert") !== parameters.has("sslkey"))
    throw invalid("the store address has one of sslcert and sslkey; a certificate is shown with both");
}

function invalid(message: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message);
}
