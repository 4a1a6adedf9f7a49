/** The help pages. */
import { CATALOGUE, type Entry } from "./catalogue.ts";
import { type Command, GLOBAL_OPTIONS, type OptionSpecs } from "./command.ts";
import type { Styles, Terminal } from "./terminal.ts";
import { wrapped } from "./text/wrapped-text.ts";

/** Longer lines are hard to read, however wide the terminal. */
const MAX_COLUMNS = 100;

/** Keeps an option and its value on one line. */
const NO_BREAK = "\u00a0";

/** What the pages are written for. */
type Page = Pick<Terminal, "styles" | "columns">;

/** The page of `perdure --help`. */
export function overview({ styles, columns }: Page, version: string): string {
  const width = Math.max(...CATALOGUE.flatMap(([, entries]) => entries.map(({ name }) => name.length)));
  const groups = CATALOGUE.flatMap(([title, entries]) => [
    "",
    styles.bold(title),
    ...entries.map((of) => row(of, width, styles)),
  ]);
  return [
    `${styles.bold("perdure")} ${version}: workflows that survive crashes, deploys and weeks of waiting`,
    "",
    `${styles.dim("$")} perdure COMMAND [arguments] [options]`,
    ...groups,
    "",
    styles.bold("Options"),
    ...optionRows({ ...GLOBAL_OPTIONS, version: { help: "print the version" } }, { styles, columns }),
    "",
    styles.bold("Begin with"),
    `  ${styles.dim("$")} perdure init demo && cd demo && perdure run flows/hello.yaml name=Ada`,
    "",
    `perdure COMMAND --help shows the options and examples of a command.`,
    "Exit codes: 0 completed, 1 failed, 2 usage or validation, 3 store not reachable.",
  ].join("\n");
}

/** The commands of a group, `perdure runs`. */
export function groupPage(group: string, entries: readonly Entry[], styles: Styles): string {
  const width = Math.max(...entries.map(({ name }) => name.length));
  return [
    `${styles.dim("$")} perdure ${group} COMMAND [arguments] [options]`,
    "",
    ...entries.map((of) => row(of, width, styles)),
    "",
    `perdure ${group} COMMAND --help shows the options and examples of a command.`,
  ].join("\n");
}

/** The page of one command. */
export function commandPage(command: Command, { styles, columns }: Page): string {
  const { name, summary, usage, description, options, examples } = command;
  return [
    `${styles.bold(`perdure ${name}`)}: ${summary}`,
    "",
    ...usageLines(`perdure ${name} ${usage}`, { styles, columns }),
    ...(description === undefined ? [] : ["", ...wrapped(description, Math.min(columns, MAX_COLUMNS))]),
    "",
    styles.bold("Options"),
    ...optionRows({ ...options, ...GLOBAL_OPTIONS }, { styles, columns }),
    "",
    styles.bold("Examples"),
    ...examples.flatMap(([line, what]) => [`  ${styles.dim(`# ${what}`)}`, `  ${styles.dim("$")} ${line}`]),
  ].join("\n");
}

function usageLines(usage: string, { styles, columns }: Page): string[] {
  const bound = usage.replace(/\[[^\]]*\]|--\S+ [A-Z=]+/g, (together) => together.replaceAll(" ", NO_BREAK));
  const [first = "", ...rest] = wrapped(bound, Math.min(columns, MAX_COLUMNS) - 4).map((line) =>
    line.replaceAll(NO_BREAK, " "),
  );
  return [`${styles.dim("$")} ${first}`, ...rest.map((line) => `    ${line}`)];
}

function row({ name, summary }: Entry, width: number, styles: Styles): string {
  return `  ${styles.cyan(name.padEnd(width))}  ${summary}`;
}

const MAX_FLAG = 26;

function optionRows(specs: OptionSpecs, { styles, columns }: Page): string[] {
  const shorts = Object.values(specs).some(({ short }) => short !== undefined);
  const rows = Object.entries(specs).map(([name, { value, short, multiple, help }]) => {
    const before = short !== undefined ? `-${short}, ` : shorts ? "    " : "";
    const flag = `${before}--${name}${value === undefined ? "" : ` ${value}`}`;
    return [flag, `${help}${multiple === true ? " (can be repeated)" : ""}`] as const;
  });
  const width = Math.min(MAX_FLAG, Math.max(...rows.map(([flag]) => flag.length)));
  const indent = " ".repeat(width + 4);
  return rows.flatMap(([flag, help]) => {
    const [first = "", ...rest] = wrapped(help, Math.min(columns, MAX_COLUMNS) - indent.length);
    const lines = rest.map((line) => `${indent}${line}`);
    return flag.length > width
      ? [`  ${styles.cyan(flag)}`, `${indent}${first}`, ...lines]
      : [`  ${styles.cyan(flag.padEnd(width))}  ${first}`, ...lines];
  });
}
