/**
 * The text of a flow file as a JSON value that knows its lines. YAML 1.2 (of which JSON is a part); what the parser merely
 * warns about is an error here, because a flow that means something else than it says must not run.
 */

import type { Node, YAMLError } from "yaml";
import { type Document, isAlias, isCollection, isMap, isPair, isScalar, LineCounter, parseDocument } from "yaml";
import type { Finding, Locate, Path, Position } from "./problem.ts";

/** Longest file read: 1 MiB of text. */
export const MAX_FLOW_TEXT: number = 1024 * 1024;
/** How often aliases may repeat what they stand for, in all: enough for people, too little for a bomb. */
const MAX_ALIASES = 200;
const MAX_NESTING = 64;

/** What was read. `value` is absent when the text cannot be made sense of. */
export interface FlowText {
  readonly value?: unknown;
  readonly findings: readonly Finding[];
  readonly locate: Locate;
}

/** Reads YAML or JSON. Never throws. */
export function readText(text: string): FlowText {
  const nowhere: Locate = () => undefined;
  const finding = refusal(text);
  if (finding !== undefined) return { findings: [finding], locate: nowhere };
  const source = text.charCodeAt(0) === 0xfeff ? ` ${text.slice(1)}` : text;
  const unquoted = unquotedExpressions(source);
  const parsed = parse(unquoted.repaired);
  const locate = locator(parsed.document, parsed.lines, source);
  const syntax = [...unquoted.findings, ...parsed.findings];
  if (parsed.broken) return { findings: syntax, locate };
  try {
    const value: unknown = parsed.document.toJS({ maxAliasCount: MAX_ALIASES });
    return { value, findings: [...syntax, ...unwanted(value, [], 0)], locate };
  } catch (error) {
    return { findings: [...syntax, unreadable(error)], locate };
  }
}

function refusal(text: string): Finding | undefined {
  if (text.length > MAX_FLOW_TEXT) {
    const message = `the file has ${text.length} characters, allowed are ${MAX_FLOW_TEXT}`;
    return { code: "too_large", path: [], message };
  }
  return text.trim() === "" ? { code: "no_steps", path: [], message: "the file is empty" } : undefined;
}

interface Parsed {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
  readonly findings: Finding[];
  readonly broken: boolean;
}

function parse(source: string): Parsed {
  const lines = new LineCounter();
  const options = {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    strict: true,
    logLevel: "error",
  } as const;
  let document: Document.Parsed;
  try {
    document = parseDocument(source, { ...options, resolveKnownTags: false });
  } catch (error) {
    document = parseDocument("", options);
    return { document, lines, findings: [unreadable(error)], broken: true };
  }
  const findings: Finding[] = [];
  let line = 0;
  let broken = false;
  for (const error of [...document.errors, ...document.warnings]) {
    const position = at(lines, error.pos[0]);
    broken ||= error.name === "YAMLParseError" && error.code !== "DUPLICATE_KEY";
    // What follows on the same line is mostly the parser looking for its way back.
    if (position.line === line && error.code !== "DUPLICATE_KEY") continue;
    line = position.line;
    findings.push(syntaxFinding(error, position, source));
  }
  return { document, lines, findings, broken };
}

function unreadable(error: unknown): Finding {
  if (error instanceof RangeError) return { code: "too_large", path: [], message: "the file is nested too deeply" };
  return { code: "bad_syntax", path: [], message: error instanceof Error ? error.message : String(error) };
}

function syntaxFinding(error: YAMLError, position: Position, source: string): Finding {
  if (error.code === "DUPLICATE_KEY") {
    const key = /^(?:"([^"]*)"|'([^']*)'|([^\s:]+))/.exec(source.slice(error.pos[0], error.pos[0] + 100));
    const name = key?.[1] ?? key?.[2] ?? key?.[3] ?? "";
    return {
      code: "duplicate_key",
      path: [],
      position,
      message: `the key ${JSON.stringify(name)} is there twice`,
      hint: "keep one of them",
    };
  }
  if (error.message.includes("call stack")) return unreadable(new RangeError());
  const hint = source.split("\n")[position.line - 1]?.includes("${{")
    ? 'put the expression in quotes: "${{ … }}"'
    : undefined;
  return { code: "bad_syntax", path: [], position, message: error.message, hint };
}

const UNQUOTED = /([[{,:?-][ \t]*)(\$\{\{.*?\}\})/g;

/**
 * Inside `{ }` and `[ ]`, and beside `: ` or ` #`, YAML reads `${{ … }}` as anything but a text. Such expressions are reported
 * and blanked out by a text of the same length, so that everything else in the file is still checked.
 */
function unquotedExpressions(source: string): { repaired: string; findings: Finding[] } {
  const findings: Finding[] = [];
  if (!source.includes("${{")) return { repaired: source, findings };
  const bad = linesWithErrors(source);
  if (bad.size === 0) return { repaired: source, findings };
  const repaired = source.split("\n").map((text, index) => {
    if (!bad.has(index + 1)) return text;
    return text.replace(UNQUOTED, (_all, before: string, expression: string, offset: number) => {
      findings.push({
        code: "bad_syntax",
        path: [],
        position: { line: index + 1, column: offset + before.length + 1 },
        message: `${expression} must be quoted here`,
        hint: `quote this: "${expression.replaceAll('"', "'")}"`,
      });
      return before + "x".repeat(expression.length);
    });
  });
  return { repaired: repaired.join("\n"), findings };
}

function linesWithErrors(source: string): Set<number> {
  try {
    const lines = new LineCounter();
    const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
    return new Set(document.errors.map((error) => at(lines, error.pos[0]).line));
  } catch {
    return new Set();
  }
}

/** Values that YAML can say and JSON cannot. */
function unwanted(value: unknown, path: Path, depth: number): Finding[] {
  if (depth > MAX_NESTING) {
    return [{ code: "too_large", path, message: `values are nested more than ${MAX_NESTING} levels deep` }];
  }
  if (typeof value === "number" && !Number.isFinite(value) && path[path.length - 1] !== "max_attempts") {
    return [{ code: "bad_value", path, message: `${value} is no JSON number` }];
  }
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item, i) => unwanted(item, [...path, i], depth + 1));
  return Object.entries(value).flatMap(([key, item]) => {
    const name: Finding[] =
      key === "__proto__" ? [{ code: "bad_value", path: [...path, key], message: "__proto__ cannot be a key" }] : [];
    return [...name, ...unwanted(item, [...path, key], depth + 1)];
  });
}

function locator(document: Document.Parsed, lines: LineCounter, source: string): Locate {
  return (path, what, excerpt) => {
    const found = walk(document, path, what);
    if (found === undefined) return undefined;
    const [start, end] = found;
    const inside = excerpt === undefined ? -1 : source.slice(start, end).indexOf(excerpt);
    return at(lines, inside < 0 ? start : start + inside);
  };
}

/** The range of the deepest node on the path that exists. */
function walk(document: Document.Parsed, path: Path, what: "key" | "value"): [number, number] | undefined {
  let node: Node | null | undefined = document.contents;
  let range = rangeOf(node);
  for (const [i, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (!isCollection(node)) return range;
    const last = i === path.length - 1;
    if (isMap(node) && last && what === "key") {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
      );
      return rangeOf(pair?.key as Node | undefined) ?? range;
    }
    node = node.get(part, true) as Node | undefined;
    range = rangeOf(node) ?? range;
  }
  return range;
}

function rangeOf(node: Node | null | undefined): [number, number] | undefined {
  const range = node?.range;
  return range === undefined || range === null ? undefined : [range[0], range[1]];
}

function at(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}
