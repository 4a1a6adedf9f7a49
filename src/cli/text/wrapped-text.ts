/** Text broken into lines between its words. */
import { cellWidth } from "./cell-width.ts";

/** The paragraphs of a text, an empty line between them, in lines of so many columns. A longer word has a line of its own. A no-break space is none. */
export function wrapped(text: string, columns: number): string[] {
  return text
    .split(/\n{2,}/)
    .flatMap((paragraph, i) => [...(i === 0 ? [] : [""]), ...wrappedParagraph(paragraph, columns)]);
}

function wrappedParagraph(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/[ \n]+/).filter(Boolean)) {
    if (line !== "" && cellWidth(line) + 1 + cellWidth(word) > columns) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}
