/**
 * Command agents: activities that run a program. The program gets JSON `{input, upstream, run_input}` on standard input
 * and its run's identity in `PERDURE_*` variables; what it prints is the result, what it writes to standard error is its log.
 */
import { existsSync } from "node:fs";
import type { Duration } from "../../core/duration.ts";
import { PerdureError } from "../../core/errors.ts";
import type { RetryOptions } from "../../core/retry-policy.ts";
import { type ActivityContext, type AnyActivity, activity, FatalError } from "../../workflow/activity.ts";
import { runSubprocess, type SubprocessEnd } from "./subprocess.ts";

/** A program as an agent or activity. */
export interface CommandConfig {
  /** The program and its arguments. No shell reads them: no quoting, globbing or expansion. */
  readonly command: readonly [program: string, ...args: string[]];
  /** Folder the program runs in. Default: that of the file which names it, else the current one. */
  readonly cwd?: string;
  /** Environment variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Longest time of one attempt. Default 10 min. */
  readonly timeout?: Duration;
  readonly retry?: RetryOptions;
  /** What standard output is. Default `auto`: JSON when it parses as such, otherwise text without surrounding space. */
  readonly output?: "json" | "text" | "auto";
}

/** Most bytes a program may print as its result: 2 MiB. */
export const MAX_COMMAND_OUTPUT: number = 2 * 1024 * 1024;

/** Exit code by which a program says that trying again cannot help (`EX_DATAERR` of sysexits). */
export const EXIT_FATAL = 65;

/** Shortest secret that is blanked out of a program's log: shorter ones would blank out ordinary text. */
const MIN_SECRET = 4;

/** A program failed. `code` is `EXIT_<n>` or the signal's name, so that `retry.on` and `notOn` can name it. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
  readonly code: string;
  readonly exitCode: number | null;
  readonly signal: string | null;

  constructor(message: string, end: { exitCode: number | null; signal: string | null }) {
    super(message);
    this.code = codeOf(end);
    this.exitCode = end.exitCode;
    this.signal = end.signal;
  }
}

/**
 * An activity that runs a program.
 *
 * Exit code 0 is success, 65 a failure that is not retried ({@link FatalError}), any other a {@link CommandError}. A program that
 * times out or whose run is cancelled is stopped together with its children (SIGTERM, after 2 s SIGKILL).
 *
 * @throws PerdureError `INVALID_ARGUMENT` when the command is not a list of texts.
 *
 * @example
 * const extractor = commandAgent("agent:extractor", { command: ["python3", "extract.py"], timeout: "5m" });
 */
export function commandAgent(name: string, config: CommandConfig): AnyActivity {
  const wrong = commandProblem(config.command);
  if (wrong !== undefined) throw new PerdureError("INVALID_ARGUMENT", `${name}: ${wrong}`);
  const options = {
    ...(config.timeout !== undefined && { timeout: config.timeout }),
    ...(config.retry !== undefined && { retry: config.retry }),
    errors: [CommandError],
  };
  const shown = name.replace(/^agent:/, "agent ");
  return activity<unknown, unknown>(name, options, (input, ctx) => runCommand(shown, config, input, ctx));
}

/** What is wrong with a `command`, or `undefined`. */
export function commandProblem(command: unknown): string | undefined {
  if (typeof command === "string") {
    const words = command.split(/\s+/).filter((word) => word !== "");
    const list = words.length > 0 ? words : ["program", "argument"];
    return `command must be a list, because no shell reads it; write command: [${list.map((word) => JSON.stringify(word)).join(", ")}]`;
  }
  const example = 'write command: ["program", "argument"]';
  if (!Array.isArray(command)) return `command must be a list of the program and its arguments; ${example}`;
  if (command.length === 0 || command[0] === "") return `command names no program; ${example}`;
  const odd = command.findIndex((part) => typeof part !== "string");
  if (odd >= 0)
    return `command[${odd}] is ${JSON.stringify(command[odd])}, but must be text; write "${String(command[odd])}"`;
  const nul = command.findIndex((part: string) => part.includes("\0"));
  return nul >= 0 ? `command[${nul}] holds a NUL character, which no program can be given` : undefined;
}

async function runCommand(name: string, config: CommandConfig, input: unknown, ctx: ActivityContext): Promise<unknown> {
  const [program, ...args] = config.command;
  let end: SubprocessEnd;
  try {
    end = await runSubprocess({
      program,
      args,
      cwd: config.cwd,
      env: environment(config, ctx),
      stdin: standardInput(name, input, ctx),
      signal: ctx.signal,
      maxOutputBytes: MAX_COMMAND_OUTPUT,
      onErrorLine: (line) => ctx.log.info({ agent: name, stream: "stderr" }, line),
      cleanErrorLine: blankOut(ctx.secrets),
    });
  } catch (error) {
    throw startError(name, config, error as NodeJS.ErrnoException, ctx.signal);
  }
  if (end.stopped === "aborted") throw ctx.signal.reason;
  if (end.stopped === "too-much-output") {
    throw new FatalError(
      `${name}: ${program} printed more than ${MAX_COMMAND_OUTPUT / 1024 / 1024} MiB; write large results to a file or a store and print where they are`,
    );
  }
  if (end.exitCode !== 0) throw exitError(name, program, end);
  return result(name, config.output ?? "auto", end);
}

function environment(config: CommandConfig, ctx: ActivityContext): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...config.env,
    PERDURE_RUN_ID: ctx.runId,
    PERDURE_WORKFLOW_ID: ctx.workflowId,
    PERDURE_STEP_ID: ctx.step,
    PERDURE_ATTEMPT: String(ctx.attempt),
    PERDURE_IDEMPOTENCY_KEY: ctx.idempotencyKey,
  };
}

function standardInput(name: string, input: unknown, ctx: ActivityContext): string {
  try {
    return JSON.stringify({ input: input ?? null, upstream: ctx.upstream, run_input: ctx.runInput ?? null });
  } catch (cause) {
    throw new FatalError(`${name}: its input cannot be written as JSON: ${(cause as Error).message}`, { cause });
  }
}

function blankOut(secrets: Readonly<Record<string, string>>): (line: string) => string {
  const values = Object.values(secrets).filter((value) => value.length >= MIN_SECRET);
  return (line) => values.reduce((text, value) => text.replaceAll(value, "[secret]"), line);
}

function result(name: string, output: "json" | "text" | "auto", end: SubprocessEnd): unknown {
  const text = end.stdout.trim();
  if (output === "text") return text;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    if (output === "auto") return text;
    const got = text === "" ? "nothing" : JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
    throw new Error(`${name}: the program must print JSON (output: json), but printed ${got}`, { cause });
  }
}

function startError(name: string, config: CommandConfig, error: NodeJS.ErrnoException, signal: AbortSignal): unknown {
  if (signal.aborted || error instanceof FatalError) return error;
  const [program] = config.command;
  if (config.cwd !== undefined && !existsSync(config.cwd)) {
    return new FatalError(`${name}: the folder ${config.cwd} (cwd) does not exist`, { cause: error });
  }
  const hint = START_HINTS[error.code ?? ""];
  if (hint === undefined)
    return new Error(`${name}: ${program} could not be started: ${error.message}`, { cause: error });
  return new FatalError(`${name}: ${hint(program)}`, { cause: error });
}

const START_HINTS: Readonly<Record<string, (program: string) => string>> = {
  ENOENT: (program) =>
    program.includes("/")
      ? `the program ${program} does not exist`
      : `no program ${program} was found in PATH (${process.env.PATH ?? "unset"}); install it, or write its full path`,
  EACCES: (program) => `${program} may not be executed; try chmod +x, or name its interpreter first in the command`,
  ENOTDIR: (program) => `${program} leads through something that is no folder`,
  ENOEXEC: (program) => `${program} is no program the system can run; name its interpreter first in the command`,
};

function exitError(name: string, program: string, end: SubprocessEnd): Error {
  const how = end.signal === null ? `exited with code ${end.exitCode}` : `was killed by ${end.signal}`;
  const why = end.stderrTail.trim() === "" ? "; it wrote nothing to standard error" : `:\n${end.stderrTail}`;
  const message = `${name}: ${program} ${how}${why}`;
  if (end.exitCode !== EXIT_FATAL) return new CommandError(message, end);
  return Object.assign(new FatalError(message), { code: codeOf(end), exitCode: end.exitCode, signal: end.signal });
}

function codeOf(end: { exitCode: number | null; signal: string | null }): string {
  return end.signal ?? `EXIT_${end.exitCode}`;
}
