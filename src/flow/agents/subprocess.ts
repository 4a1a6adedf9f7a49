/** One program run to its end: text in, text out, stopped when its signal says so. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { LineStream } from "./line-stream.ts";
import { endGroup, type ProgramStart, startGroup } from "./process-group.ts";

/** How long children that hold the output open may go on after the program itself has ended. */
const DRAIN_MS = 1000;

/** A program, what it reads, and what watches it. */
export interface SubprocessStart extends ProgramStart {
  readonly stdin: string;
  readonly signal: AbortSignal;
  /** Bytes of standard output accepted; beyond them the program is stopped. */
  readonly maxOutputBytes: number;
  /** Told each line of standard error. */
  readonly onErrorLine: (line: string) => void;
  /** Sees each line of standard error first, to blank out what must not be shown. */
  readonly cleanErrorLine: (line: string) => string;
}

/** How a program ended. */
export interface SubprocessEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** The last lines of standard error. */
  readonly stderrTail: string;
  /** Why we stopped it, when we did. */
  readonly stopped: "aborted" | "too-much-output" | undefined;
}

/**
 * Runs a program without a shell. Resolves only after it and its children are gone; whatever they leave behind in their
 * process group is ended with them.
 *
 * @throws the `spawn` error (with its `code`, e.g. `ENOENT`) when the program cannot be started.
 */
export async function runSubprocess(start: SubprocessStart): Promise<SubprocessEnd> {
  start.signal.throwIfAborted();
  const child = startGroup(start);
  const { pid } = child;
  if (pid === undefined) return failedStart(child);
  let stopped: SubprocessEnd["stopped"];
  const stop = (why: NonNullable<SubprocessEnd["stopped"]>): void => {
    stopped ??= why;
    void endGroup(pid);
  };
  const onAbort = (): void => stop("aborted");
  start.signal.addEventListener("abort", onAbort, { once: true });
  const output = collect(child, start.maxOutputBytes, () => stop("too-much-output"));
  const errors = new LineStream(start.onErrorLine, start.cleanErrorLine);
  child.stderr.setEncoding("utf8").on("data", (piece: string) => errors.push(piece));
  // A program that does not read its input closes the pipe early (EPIPE), which is its right.
  child.stdin.on("error", () => undefined).end(start.stdin);

  const [exitCode, signal] = await ended(child, pid);
  start.signal.removeEventListener("abort", onAbort);
  errors.end();
  return { exitCode, signal, stdout: output(), stderrTail: errors.tail, stopped };
}

function failedStart(child: ChildProcessWithoutNullStreams): Promise<never> {
  return new Promise((_, reject) => child.once("error", reject));
}

function collect(child: ChildProcessWithoutNullStreams, maxBytes: number, onTooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maxBytes) chunks.push(chunk);
    else if (bytes - chunk.length <= maxBytes) onTooMuch();
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

/** Waits for the end of the program, then of its output, then of everything it started. */
function ended(
  child: ChildProcessWithoutNullStreams,
  pid: number,
): Promise<[exitCode: number | null, signal: NodeJS.Signals | null]> {
  return new Promise((resolve) => {
    child.on("error", () => undefined);
    child.once("exit", () => {
      const patience = setTimeout(() => {
        void endGroup(pid).then(() => {
          child.stdout.destroy();
          child.stderr.destroy();
        });
      }, DRAIN_MS);
      child.once("close", () => clearTimeout(patience));
    });
    child.once("close", (exitCode, signal) => {
      void endGroup(pid).then(() => resolve([exitCode, signal]));
    });
  });
}
