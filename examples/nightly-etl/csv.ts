/** Comma-separated values as RFC 4180 describes them: quoted fields may hold commas, quotes and line breaks. */

/**
 * Reads CSV text with a header line into records of texts.
 *
 * @throws Error naming the line that has more or fewer fields than the header.
 */
export function parseCsv(text: string): Record<string, string>[] {
  const [header, ...rows] = readRows(text);
  if (header === undefined) return [];
  return rows.map((fields, i) => {
    if (fields.length !== header.length) {
      throw new Error(`CSV record ${i + 2} has ${fields.length} fields, the header has ${header.length}`);
    }
    return Object.fromEntries(header.map((name, column) => [name, fields[column] ?? ""]));
  });
}

function readRows(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let position = 0;
  while (position < text.length) {
    const { value, next } = readField(text, position);
    row.push(value);
    position = next;
    if (text[position] === ",") {
      position++;
      if (position === text.length) row.push("");
      else continue;
    }
    if (text[position] === "\r") position++;
    if (text[position] === "\n") position++;
    rows.push(row);
    row = [];
  }
  return rows;
}

function readField(text: string, start: number): { value: string; next: number } {
  if (text[start] !== '"') {
    let end = start;
    while (end < text.length && !",\r\n".includes(text[end] ?? "")) end++;
    return { value: text.slice(start, end), next: end };
  }
  let value = "";
  let position = start + 1;
  for (;;) {
    const quote = text.indexOf('"', position);
    if (quote < 0) throw new Error(`a quoted CSV field that starts at character ${start} has no end`);
    value += text.slice(position, quote);
    if (text[quote + 1] !== '"') return { value, next: quote + 1 };
    value += '"';
    position = quote + 2;
  }
}
