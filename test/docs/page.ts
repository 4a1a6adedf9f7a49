/** A Markdown page of the documentation as data: its fenced blocks, tables, links and anchors. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

export const ROOT: string = join(import.meta.dirname, "../..");

/** A fenced block. `words` are what stands after the language: `ts check` has one, `file=a.ts` becomes an option. */
export interface Block {
  readonly language: string;
  readonly words: ReadonlySet<string>;
  readonly options: Readonly<Record<string, string>>;
  readonly text: string;
  /** Line of its first line, from 1. */
  readonly line: number;
}

interface Link {
  readonly target: string;
  readonly line: number;
}

/** One page. */
export interface Page {
  /** Path from the root of the project. */
  readonly path: string;
  /** `flows` for `docs/flows.md`. */
  readonly name: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  readonly links: readonly Link[];
  readonly anchors: ReadonlySet<string>;
  /** Declarations for snippets that are only checked: the text of `<!-- given … -->` comments. */
  readonly given: string;
}

/** README.md and everything in docs/. */
export function pages(): Page[] {
  const docs = readdirSync(join(ROOT, "docs")).filter((file) => file.endsWith(".md"));
  return ["README.md", ...docs.sort().map((file) => `docs/${file}`)].map(readPage);
}

export function readPage(path: string): Page {
  const text = readFileSync(join(ROOT, path), "utf8");
  const { blocks, prose } = split(text);
  return {
    path,
    name: basename(path, ".md"),
    text,
    blocks,
    links: linksIn(prose),
    anchors: new Set(prose.flatMap(({ text: line }) => anchorOf(line) ?? [])),
    given: [...text.matchAll(/<!-- given\n([\s\S]*?)-->/g)].map((match) => match[1]).join("\n"),
  };
}

interface Line {
  readonly text: string;
  readonly number: number;
}

function split(text: string): { blocks: Block[]; prose: Line[] } {
  const blocks: Block[] = [];
  const prose: Line[] = [];
  let fence: { info: string; start: number; lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (fence === undefined) {
      const info = /^```(.*)$/.exec(line)?.[1];
      if (info === undefined) prose.push({ text: line, number: index + 1 });
      else fence = { info, start: index + 2, lines: [] };
    } else if (line.startsWith("```")) {
      blocks.push(blockOf(fence.info, fence.lines.join("\n"), fence.start));
      fence = undefined;
    } else fence.lines.push(line);
  }
  if (fence !== undefined) throw new Error(`the block that begins at line ${fence.start} has no end`);
  return { blocks, prose };
}

function blockOf(info: string, text: string, line: number): Block {
  const [language = "", ...rest] = info.trim().split(/\s+/);
  const pairs = rest.filter((word) => word.includes("=")).map((word) => word.split("=", 2) as [string, string]);
  return {
    language,
    words: new Set(rest.filter((word) => !word.includes("="))),
    options: Object.fromEntries(pairs),
    text,
    line,
  };
}

function linksIn(prose: readonly Line[]): Link[] {
  return prose.flatMap(({ text, number }) =>
    [...text.replaceAll(/`[^`]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g)].map((match) => ({
      target: match[1]!,
      line: number,
    })),
  );
}

/** The anchor that a heading gets. */
function anchorOf(line: string): string | undefined {
  const heading = /^#{1,6} (.*)$/.exec(line)?.[1];
  return heading
    ?.toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .trim()
    .replaceAll(" ", "-");
}

/** The rows under the heading of a section, cells trimmed, without header and rule. `\|` is a bar inside a cell. */
export function tableUnder(page: Page, heading: string): string[][] {
  const lines = page.text.split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (start < 0) throw new Error(`${page.path} has no heading "${heading}"`);
  const first = lines.findIndex((line, index) => index > start && line.startsWith("|"));
  const rest = lines.slice(first);
  const rows = rest.slice(
    0,
    Math.max(
      0,
      rest.findIndex((line) => !line.startsWith("|")),
    ),
  );
  return rows.slice(2).map((row) =>
    row
      .replace(/^\|/, "")
      .replace(/\|\s*$/, "")
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll("\\|", "|")),
  );
}

/** The inside of the first `code` of a cell, else the cell. */
export function code(cell: string): string {
  return /`([^`]*)`/.exec(cell)?.[1] ?? cell;
}
