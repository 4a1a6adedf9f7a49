/** Tables: columns as wide as their widest cell. */
import type { Styles } from "../terminal.ts";
import { cellWidth, padCells } from "./cell-width.ts";
import { type Part, renderLine } from "./styled-line.ts";

/** Lines of a table. The last column is cut where the terminal ends. */
export function tableLines(
  header: readonly string[],
  rows: readonly (readonly Part[])[],
  styles: Styles,
  columns: number,
): string[] {
  const widths = header.map((title, i) =>
    Math.max(cellWidth(title), ...rows.map((row) => cellWidth(textOf(row[i] ?? "")))),
  );
  const line = (cells: readonly Part[]): string =>
    renderLine(
      cells.flatMap((cell, i): Part[] => {
        const padded = i === header.length - 1 ? textOf(cell) : padCells(textOf(cell), widths[i]!);
        return [i === 0 ? "" : "  ", typeof cell === "string" ? padded : [cell[0], padded]];
      }),
      styles,
      columns,
    );
  return [line(header.map((title): Part => ["dim", title])), ...rows.map(line)];
}

function textOf(part: Part): string {
  return typeof part === "string" ? part : part[1];
}
