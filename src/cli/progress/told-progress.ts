/** What a workflow said of its progress (`wf.progress`), in one line. */
import { plainLine } from "../text/cell-width.ts";
import type { StyledLine } from "../text/styled-line.ts";

const WIDTH = 20;

/** A bar for `{ done, total }`, with its `message` if it has one; of anything else its `message`, or it as it is. */
export function toldLine(value: unknown): StyledLine {
  const { done, total, message } = (typeof value === "object" && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const words = typeof message === "string" ? `  ${plainLine(message)}` : "";
  if (typeof done === "number" && typeof total === "number" && total > 0) {
    const share = Math.min(1, Math.max(0, done / total));
    const full = Math.round(share * WIDTH);
    const bar = `${"█".repeat(full)}${"░".repeat(WIDTH - full)}`;
    return ["  ", ["green", bar], ` ${done}/${total}`, ["dim", ` ${Math.floor(share * 100)}%`], words];
  }
  if (typeof message === "string") return [words];
  return ["  ", plainLine(typeof value === "string" ? value : (JSON.stringify(value) ?? ""))];
}
