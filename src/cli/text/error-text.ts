/** Errors of runs for people. */
import { type Failure, failureText } from "../../core/failure.ts";
import { plainLine, plainText } from "./cell-width.ts";

/** Names that say nothing the message does not say. */
const PLAIN_NAMES: ReadonlySet<string> = new Set([
  "Error",
  "FlowStepError",
  "CommandError",
  "FatalError",
  "RetryError",
]);

/** `Name: message`, without names that add nothing. */
export function errorText(failure: Failure): string {
  return PLAIN_NAMES.has(failure.name) ? failure.message : failureText(failure);
}

/**
 * A message on one line. Of one that ends its first line with a colon and goes on with the output of a program, the line that
 * names an error is taken, else the last one.
 */
export function headline(message: string): string {
  const [first = "", ...rest] = plainText(message).trim().split("\n");
  const lines = rest.filter((line) => line.trim() !== "");
  if (!first.trimEnd().endsWith(":") || lines.length < 2) return plainLine(message);
  const telling =
    lines.find((line) => /^(?:[\w.]*(?:Error|Exception)\b|(?:error|fatal)\b)/i.test(line)) ?? lines.at(-1)!;
  return plainLine(`${first}\n${telling}`);
}
