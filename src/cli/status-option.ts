/** What `--status` takes. */
import { OPEN_STATUSES, RUN_STATUSES, type RunStatus } from "../core/status.ts";
import { closest } from "../core/suggestion.ts";
import { usageError } from "./usage-error.ts";

/** The statuses that a value of `--status` names: `failed,open`. @throws PerdureError `INVALID_ARGUMENT`. */
export function statusesOf(text: string): readonly RunStatus[] {
  return text.split(",").flatMap((word) => {
    const name = word.trim().replaceAll("-", "_");
    if (name === "open") return OPEN_STATUSES;
    const status = RUN_STATUSES.find((one) => one === name);
    if (status !== undefined) return [status];
    const near = closest(name, RUN_STATUSES);
    throw usageError(
      `--status: there is no state ${JSON.stringify(word)}`,
      near === undefined ? `it is one of open, ${RUN_STATUSES.join(", ")}` : `did you mean ${near}?`,
    );
  });
}
