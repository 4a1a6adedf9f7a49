/** What `--status` takes. */
import type { RunStatus } from "../core/status.ts";
import { closest } from "../flow/suggestion.ts";
import { usageError } from "./usage-error.ts";

/** Every status, in the order in which runs go through them. */
const STATUSES: readonly RunStatus[] = [
  "pending",
  "running",
  "paused",
  "blocked",
  "completed",
  "failed",
  "cancelled",
  "terminated",
  "timed_out",
  "continued_as_new",
];

const OPEN: readonly RunStatus[] = ["pending", "running", "paused", "blocked"];

/** The statuses that a value of `--status` names: `failed,open`. @throws PerdureError `INVALID_ARGUMENT`. */
export function statusesOf(text: string): readonly RunStatus[] {
  return text.split(",").flatMap((word) => {
    const name = word.trim().replaceAll("-", "_");
    if (name === "open") return OPEN;
    const status = STATUSES.find((one) => one === name);
    if (status !== undefined) return [status];
    const near = closest(name, STATUSES);
    throw usageError(
      `--status: there is no state ${JSON.stringify(word)}`,
      near === undefined ? `it is one of open, ${STATUSES.join(", ")}` : `did you mean ${near}?`,
    );
  });
}
