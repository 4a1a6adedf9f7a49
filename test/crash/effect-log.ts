/** Reads what effect-log.mjs wrote. */
import { existsSync, readFileSync } from "node:fs";

/** A line of the log. `end`, `fail` and `abort` follow the `start` of the same token. */
export interface Effect {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Name of the process. */
  readonly incarnation: string;
  /** One execution of an activity. */
  readonly token: string;
  readonly phase: "start" | "end" | "fail" | "abort";
  readonly workflowId: string;
  readonly step: string;
  readonly attempt: number;
  readonly key: string;
}

/** All effects in the order they happened. */
export function readEffects(path: string): Effect[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Effect);
}
