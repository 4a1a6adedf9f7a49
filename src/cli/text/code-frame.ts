/** The line of a file that a problem is about, with a caret under the place. */

import { cellWidth } from "./cell-width.ts";
import type { StyledLine } from "./styled-line.ts";

const CONTEXT = 1;
const TAB = "  ";

/** Lines around `line` (from 1), numbered, and a caret under `column` (from 1). */
export function codeFrame(text: string, line: number, column: number): StyledLine[] {
  const lines = text.split(/\r?\n/);
  const first = Math.max(1, line - CONTEXT);
  const digits = String(line).length;
  const frame: StyledLine[] = [];
  for (let number = first; number <= line && number <= lines.length; number++) {
    const source = lines[number - 1]!;
    const gutter = `${String(number).padStart(digits)} │ `;
    frame.push(
      number === line ? [["red", "> "], ["dim", gutter], untab(source)] : ["  ", ["dim", `${gutter}${untab(source)}`]],
    );
  }
  const before = cellWidth(untab((lines[line - 1] ?? "").slice(0, column - 1)));
  frame.push(["  ", ["dim", `${" ".repeat(digits)} │ `], " ".repeat(before), ["red", "^"]]);
  return frame;
}

function untab(text: string): string {
  return text.replace(/\t/g, TAB);
}
