/** Agents described as data, read into {@link CommandConfig}: checked, spans and names translated, paths made absolute. */
import { isAbsolute, resolve } from "node:path";
import { parseDuration } from "../../core/duration.ts";
import type { RetryOptions } from "../../core/retry-policy.ts";
import type { Finding } from "../problem.ts";
import type { JsonSchema } from "../schema.ts";
import { checkStructure } from "../structure.ts";
import { AGENT_CODE_SCHEMA, AGENT_FILE_SCHEMA } from "./agent-schema.ts";
import { type CommandConfig, commandProblem } from "./command.ts";

/** Whose words a description uses: a file's (`max_attempts`, seconds) or code's (`maxAttempts`, milliseconds). */
export type Words = "file" | "code";

/** `{agents, activities}` as it was written. */
export interface Descriptions {
  readonly agents?: Readonly<Record<string, unknown>>;
  readonly activities?: Readonly<Record<string, unknown>>;
}

/** Everything that is wrong with a description of agents and activities. */
export function checkDescriptions(value: unknown, words: Words): Finding[] {
  const schema: JsonSchema = words === "file" ? AGENT_FILE_SCHEMA : AGENT_CODE_SCHEMA;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [{ code: "wrong_type", path: [], message: `the file must be ${schema.title}` }];
  }
  const findings = checkStructure(value, schema).map((finding) => betterCommand(finding, value));
  const names = (["agents", "activities"] as const).flatMap((group) =>
    emptyNames(group, (value as Descriptions)[group]),
  );
  return [...findings, ...names];
}

/** The most common mistake, a command line as one text, deserves the exact list to write. */
function betterCommand(finding: Finding, root: unknown): Finding {
  const at = finding.path.indexOf("command", 2);
  if (at !== 2 || finding.code !== "wrong_type") return finding;
  const agent = finding.path.slice(0, at).reduce((value, key) => (value as Record<string, unknown>)[key], root);
  const message = commandProblem((agent as { command: unknown }).command);
  return message === undefined ? finding : { ...finding, message, hint: undefined };
}

function emptyNames(group: string, value: unknown): Finding[] {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "")) return [];
  return [{ code: "empty_name", path: [group, ""], message: `${group} has an entry without a name` }];
}

/** A description as `checkDescriptions` lets it through. */
interface Described {
  readonly command: CommandConfig["command"];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeout?: string | number;
  readonly retry?: Readonly<Record<string, unknown>>;
  readonly output?: "json" | "text" | "auto";
}

/**
 * A checked description as a {@link CommandConfig}. The program runs in `folder` unless it names another one; a program
 * written as a path (`./extract.sh`) is found from `folder`.
 */
export function commandConfig(description: unknown, words: Words, folder: string): CommandConfig {
  const { command, cwd, env, timeout, retry, output } = description as Described;
  const [program, ...args] = command;
  const unitMs = words === "file" ? 1000 : 1;
  return {
    command: [/^\.{1,2}[\\/]/.test(program) ? resolve(folder, program) : program, ...args],
    cwd: cwd === undefined ? folder : isAbsolute(cwd) ? cwd : resolve(folder, cwd),
    ...(env !== undefined && { env }),
    ...(timeout !== undefined && { timeout: spanMs(timeout, unitMs) }),
    ...(retry !== undefined && { retry: retryOptions(retry, unitMs) }),
    ...(output !== undefined && { output }),
  };
}

function retryOptions(retry: Readonly<Record<string, unknown>>, unitMs: number): RetryOptions {
  const { max_attempts, not_on, initial, max, ...same } = retry;
  const attempts = max_attempts === "unlimited" ? Number.POSITIVE_INFINITY : max_attempts;
  return {
    ...same,
    ...(attempts !== undefined && { maxAttempts: attempts as number }),
    ...(not_on !== undefined && { notOn: not_on as string[] }),
    ...(initial !== undefined && { initial: spanMs(initial as string, unitMs) }),
    ...(max !== undefined && { max: spanMs(max as string, unitMs) }),
  };
}

function spanMs(span: string | number, unitMs: number): number {
  return typeof span === "number" ? span * unitMs : (parseDuration(span, unitMs) ?? Number.NaN);
}
