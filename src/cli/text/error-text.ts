/** Errors of runs for people. */
import { dirname } from "node:path";
import { type Failure, failureText } from "../../core/failure.ts";
import { plainLine, plainText } from "./cell-width.ts";

/** Names that say nothing the message does not say. */
const PLAIN_NAMES: ReadonlySet<string> = new Set([
  "Error",
  "FlowStepError",
  "CommandError",
  "FatalError",
  "RetryError",
  "PerdureError",
]);

/** `Name: message`, without names that add nothing. */
export function errorText(failure: Pick<Failure, "name" | "message">): string {
  return PLAIN_NAMES.has(failure.name) ? failure.message : failureText(failure);
}

const PACKAGE = dirname(dirname(dirname(import.meta.dirname)));

/** Where the author's code was when it failed, `FILE:LINE:COLUMN`: the first frame that is not Node's, a library's or our own. */
export function errorPlace(failure: Failure): string | undefined {
  for (let at: Failure | undefined = failure; at !== undefined; at = at.cause) {
    const places = [...(at.stack ?? "").matchAll(/^ +at (?:async )?(?:.* \()?([^()]+:\d+:\d+)\)?$/gm)].map(
      ([, place = ""]) => place,
    );
    const found = places.find((place) => !/^node:|\/node_modules\//.test(place) && !place.includes(`${PACKAGE}/`));
    if (found !== undefined) return plainLine(found.replace(/^file:\/\//, ""));
  }
  return undefined;
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
