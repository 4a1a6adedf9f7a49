/** Secrets as they are given: `--secret NAME` takes the environment's value, `--secret NAME=VALUE` names it. */
import { usageError } from "./usage-error.ts";

/** Secrets by name. @throws PerdureError `INVALID_ARGUMENT` for a name the environment does not have. */
export function readSecrets(given: readonly string[]): Record<string, string> {
  const secrets: Record<string, string> = {};
  for (const item of given) {
    const at = item.indexOf("=");
    const name = at < 0 ? item : item.slice(0, at);
    const value = at < 0 ? process.env[name] : item.slice(at + 1);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw usageError(`--secret: ${JSON.stringify(name)} is no name`, "write --secret NAME or --secret NAME=VALUE");
    if (value === undefined)
      throw usageError(
        `--secret ${name}: the environment has no variable ${name}`,
        `set it, or write --secret ${name}=VALUE`,
      );
    secrets[name] = value;
  }
  return secrets;
}
