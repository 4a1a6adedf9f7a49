/**
 * Fitting text into a width without knowing the font: widths are estimated from above, for the sans-serif faces that systems
 * have, so that nothing sticks out with any of them.
 */

const NARROW = /[ijl.,:;'|!()[\]{}frtI ]/;
const WIDE = /[mwMW@%—…]/;
const CAPITAL = /[A-Z&<>=+_~#0-9]/;

/** Estimated width of `text` at `size` pixels. `factor` is 1 for regular faces, more for bold ones. */
export function textWidth(text: string, size: number, factor = 1): number {
  let units = 0;
  for (const char of text) units += charUnits(char);
  return units * size * factor;
}

function charUnits(char: string): number {
  if (char > "\u02ff") return char > "\u2e80" ? 1.05 : 0.68;
  if (NARROW.test(char)) return 0.36;
  if (WIDE.test(char)) return 0.93;
  return CAPITAL.test(char) ? 0.65 : 0.58;
}

/** Where a text that is too long loses what does not fit. */
export type Cut = "middle" | "end";

/** `text`, or as much of it as fits into `width`, with an ellipsis where something was left out. */
export function fitText(
  text: string,
  width: number,
  size: number,
  options: { factor?: number; cut?: Cut } = {},
): string {
  const factor = options.factor ?? 1;
  if (textWidth(text, size, factor) <= width) return text;
  const chars = Array.from(text);
  for (let kept = chars.length - 1; kept > 0; kept--) {
    const head = options.cut === "middle" ? Math.ceil(kept / 2) : kept;
    const tail = kept - head;
    const fitted = `${chars.slice(0, head).join("").trimEnd()}…${tail > 0 ? chars.slice(-tail).join("").trimStart() : ""}`;
    if (textWidth(fitted, size, factor) <= width) return fitted;
  }
  return "…";
}

/** Breaks text into at most `maxLines` lines between words; the last one is cut when there is more. */
export function wrapText(text: string, width: number, size: number, maxLines: number): string[] {
  const lines: string[] = [];
  let rest = text.split(/\s+/).filter((word) => word !== "");
  while (rest.length > 0 && lines.length < maxLines) {
    let taken = 1;
    while (taken < rest.length && textWidth(rest.slice(0, taken + 1).join(" "), size) <= width) taken++;
    const last = lines.length === maxLines - 1;
    lines.push(fitText(rest.slice(0, last ? undefined : taken).join(" "), width, size));
    rest = rest.slice(taken);
  }
  return lines;
}
