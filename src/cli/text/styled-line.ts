/** Lines of differently styled parts that can be cut to a width before they are coloured. */
import type { Styles } from "../terminal.ts";
import { cellWidth, clipToWidth } from "./cell-width.ts";

/** Name of a style. */
export type Style = keyof Styles;

/** A piece of text in one style. */
export type Part = string | readonly [style: Style, text: string];

/** A line. */
export type StyledLine = readonly Part[];

/** The line as text with colours, cut to a width. */
export function renderLine(line: StyledLine, styles: Styles, columns: number = Number.POSITIVE_INFINITY): string {
  let left = columns;
  let text = "";
  for (const part of line) {
    const plain = typeof part === "string" ? part : part[1];
    const fitted = clipToWidth(plain, left);
    text += typeof part === "string" || fitted === "" ? fitted : styles[part[0]](fitted);
    left -= cellWidth(fitted);
    if (fitted !== plain) break;
  }
  return text;
}
