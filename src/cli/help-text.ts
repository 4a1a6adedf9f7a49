/** The help pages. */
import { CATALOGUE, type Entry } from "./catalogue.ts";
import { type Command, GLOBAL_OPTIONS, type OptionSpecs } from "./command.ts";
import type { Styles } from "./terminal.ts";

/** The page of `perdure --help`. */
export function overview(styles: Styles, version: string): string {
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
    ...optionRows({ ...GLOBAL_OPTIONS, version: { help: "print the version" } }, styles),
    "",
    styles.bold("Begin with"),
    `  ${styles.dim("$")} perdure init demo && cd demo && perdure run flows/hello.yaml --input name=Ada`,
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
export function commandPage(command: Command, styles: Styles): string {
  const { name, summary, usage, description, options, examples } = command;
  return [
    `${styles.bold(`perdure ${name}`)}: ${summary}`,
    "",
    `${styles.dim("$")} perdure ${name} ${usage}`,
    ...(description === undefined ? [] : ["", description]),
    "",
    styles.bold("Options"),
    ...optionRows({ ...options, ...GLOBAL_OPTIONS }, styles),
    "",
    styles.bold("Examples"),
    ...examples.flatMap(([line, what]) => [`  ${styles.dim(`# ${what}`)}`, `  ${styles.dim("$")} ${line}`]),
  ].join("\n");
}

function row({ name, summary }: Entry, width: number, styles: Styles): string {
  return `  ${styles.cyan(name.padEnd(width))}  ${summary}`;
}

const MAX_FLAG = 26;

function optionRows(specs: OptionSpecs, styles: Styles): string[] {
  const rows = Object.entries(specs).map(([name, { value, short, multiple, help }]) => {
    const flag = `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
    return [flag, `${help}${multiple === true ? " (can be repeated)" : ""}`] as const;
  });
  const width = Math.min(MAX_FLAG, Math.max(...rows.map(([flag]) => flag.length)));
  return rows.map(([flag, help]) =>
    flag.length > width
      ? `  ${styles.cyan(flag)}\n  ${" ".repeat(width)}  ${help}`
      : `  ${styles.cyan(flag.padEnd(width))}  ${help}`,
  );
}
