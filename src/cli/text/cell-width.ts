/** How many columns text takes on a terminal. */

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NO_WIDTH = /\p{Mn}|[\u200b-\u200f]/u;

/** Columns of a text without control characters. */
export function cellWidth(text: string): number {
  let width = 0;
  for (const char of text) width += NO_WIDTH.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}

/** `text`, or as much of it as fits, with an ellipsis where something was left out. */
export function clipToWidth(text: string, columns: number): string {
  if (cellWidth(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const char of text) {
    const next = cellWidth(char);
    if (width + next > columns - 1) break;
    kept += char;
    width += next;
  }
  return columns > 0 ? `${kept}…` : "";
}

/** Pads with spaces at the end. */
export function padCells(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - cellWidth(text)));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach the terminal
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: sequences begin with ESC
const SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;

/** Text from elsewhere on one line, without anything that would steer the terminal. */
export function plainLine(text: string): string {
  return plainText(text)
    .replace(/:\s*\n\s*/g, ": ")
    .replace(/\s*\n\s*/g, " ⏎ ")
    .replace(/\t/g, " ")
    .trim();
}

/** Text from elsewhere, lines kept, without anything that would steer the terminal. */
export function plainText(text: string): string {
  return text.replace(SEQUENCE, "").replace(/\r\n?/g, "\n").replace(CONTROL, "");
}
