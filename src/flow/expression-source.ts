/**
 * The text of expressions before CEL sees it: where `${{ … }}` ends, which steps and secrets it names, and the rewriting of
 * step ids such as `fetch-data` that CEL could not read. Nothing inside string literals or comments is touched.
 */

/** Longest expression, in characters. */
export const MAX_EXPRESSION = 4096;

/** A piece of a text: literal, or the inside of `${{ }}`. */
export type Piece = { readonly text: string } | { readonly expression: string };

/** Splits a text at its `${{ }}`. A start without an end gives `undefined`. */
export function splitTemplate(text: string): readonly Piece[] | undefined {
  const pieces: Piece[] = [];
  let from = 0;
  for (let start = text.indexOf("${{"); start >= 0; start = text.indexOf("${{", from)) {
    const end = endOfExpression(text, start + 3);
    if (end === undefined) return undefined;
    if (start > from) pieces.push({ text: text.slice(from, start) });
    pieces.push({ expression: text.slice(start + 3, end).trim() });
    from = end + 2;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}

/** Index of the `}}` that closes an expression: not one inside a string, nor the end of a map literal. */
function endOfExpression(text: string, from: number): number | undefined {
  let depth = 0;
  for (let i = from; i < text.length; ) {
    const skipped = skipLiteral(text, i);
    if (skipped > i) {
      i = skipped;
      continue;
    }
    const char = text[i]!;
    if (char === "{") depth++;
    else if (char === "}") {
      if (depth === 0) return text[i + 1] === "}" ? i : undefined;
      depth--;
    }
    i++;
  }
  return undefined;
}

/** Where a string literal or comment that starts at `i` ends; `i` itself when none starts there. */
function skipLiteral(text: string, i: number): number {
  const char = text[i];
  if (char === "/" && text[i + 1] === "/") {
    const end = text.indexOf("\n", i);
    return end < 0 ? text.length : end;
  }
  if (char !== '"' && char !== "'") return i;
  const quote = text.startsWith(char.repeat(3), i) ? char.repeat(3) : char;
  const raw = /(?:^|[^\w])(?:[rR]|[bB][rR]|[rR][bB])$/.test(text.slice(Math.max(0, i - 3), i));
  for (let at = i + quote.length; at < text.length; at++) {
    if (!raw && text[at] === "\\") at++;
    else if (text.startsWith(quote, at)) return at + quote.length;
  }
  return text.length;
}

/** What an expression names, and its text as CEL reads it. */
export interface ExpressionSource {
  readonly cel: string;
  /** Ids of the steps it names. */
  readonly steps: readonly string[];
  /** Whether it uses `steps` other than as `steps.<id>`. */
  readonly bareSteps: boolean;
  /** Whether it names `secrets` at all. */
  readonly secrets: boolean;
}

const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/y;
const STEP_ACCESS = /\s*(?:\.(\??)\s*([A-Za-z0-9_][A-Za-z0-9_-]*)|\[(\??)\s*(?:"([\w-]+)"|'([\w-]+)')\s*\])/y;

/** Reads the names in an expression and rewrites its step ids. */
export function readSource(expression: string): ExpressionSource {
  const steps = new Set<string>();
  let bareSteps = false;
  let secrets = false;
  let cel = "";
  for (let i = 0; i < expression.length; ) {
    const skipped = skipLiteral(expression, i);
    if (skipped > i) {
      cel += expression.slice(i, skipped);
      i = skipped;
      continue;
    }
    IDENTIFIER.lastIndex = i;
    const word = IDENTIFIER.exec(expression)?.[0];
    if (word === undefined) {
      // Digits with letters (0x1F) are no identifiers.
      const other = /^(?:\d\w*|.)/s.exec(expression.slice(i))![0];
      cel += other;
      i += other.length;
      continue;
    }
    cel += word;
    i += word.length;
    if (/[.]\s*\??\s*$/.test(cel.slice(0, -word.length))) continue;
    secrets ||= word === "secrets";
    if (word !== "steps") continue;
    STEP_ACCESS.lastIndex = i;
    const access = STEP_ACCESS.exec(expression);
    if (access === null) {
      bareSteps = true;
      continue;
    }
    const id = access[2] ?? access[4] ?? access[5]!;
    steps.add(id);
    cel += `.${access[1] ?? access[3] ?? ""}${celName(id)}`;
    i += access[0].length;
  }
  return { cel, steps: [...steps], bareSteps, secrets };
}

const CEL_WORDS = new Set(
  "as break const continue else false for function if import in let loop namespace null package return true var void while prototype".split(
    " ",
  ),
);

/** The name under which CEL knows a step: its id where CEL can read it, otherwise an escaped form of it. */
export function celName(id: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(id) && !CEL_WORDS.has(id) && !id.startsWith("_x_") && !id.startsWith("__"))
    return id;
  return `_x_${id.replace(/[^A-Za-z0-9]/g, (char) => (char === "-" ? "_h" : "_u"))}`;
}

const ONLY_SECRET = /^secrets\.([A-Za-z_][A-Za-z0-9_]*)$/;

/** The name in an expression that is nothing but `secrets.NAME`. */
export function secretName(expression: string): string | undefined {
  return ONLY_SECRET.exec(expression.trim())?.[1];
}
