/** The command `perdure`. */
import { parseArguments } from "./arguments.ts";
import { ENTRIES, type Entry } from "./catalogue.ts";
import { EXIT } from "./command.ts";
import { reportFailure } from "./failure-report.ts";
import { commandPage, groupPage, overview } from "./help-text.ts";
import { processTerminal, type Terminal } from "./terminal.ts";
import { usageError } from "./usage-error.ts";
import { packageVersion } from "./version.ts";

/**
 * Runs one command line and returns its exit code. Nothing is thrown: errors are printed; `PERDURE_DEBUG=1` adds their stacks.
 *
 * @example process.exitCode = await main(["runs", "list", "--json"]);
 */
export async function main(argv: readonly string[]): Promise<number> {
  const terminal = processTerminal({ color: !argv.includes("--no-color") });
  process.on("uncaughtException", (error) => process.exit(reportFailure(error, terminal, false)));
  try {
    return await dispatch(argv, terminal);
  } catch (error) {
    return reportFailure(error, terminal, argv.includes("--json"));
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<number> {
  const words = leadingWords(argv);
  const found = ENTRIES.find(({ name }) => name === words.join(" ")) ?? ENTRIES.find(({ name }) => name === words[0]);
  if (found === undefined) return withoutCommand(argv, words, terminal);
  const command = await found.load();
  const args = parseArguments(command, withoutName(argv, found.name));
  if (args.flag("help")) {
    terminal.line(commandPage(command, terminal));
    return EXIT.ok;
  }
  return command.run({ args, terminal, json: args.flag("json"), cwd: process.cwd() });
}

/** The first two arguments that are no options: global options may come before a command. */
function leadingWords(argv: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < argv.length && words.length < 2; i++) {
    const word = argv[i]!;
    if (word === "--store") i++;
    else if (!word.startsWith("-")) words.push(word);
  }
  return words;
}

function withoutName(argv: readonly string[], name: string): string[] {
  const rest = [...argv];
  for (const word of name.split(" ")) {
    let at = rest.indexOf(word);
    if (at > 0 && rest[at - 1] === "--store") at = rest.indexOf(word, at + 1);
    rest.splice(at, 1);
  }
  return rest;
}

async function withoutCommand(argv: readonly string[], words: readonly string[], terminal: Terminal): Promise<number> {
  const [first, second] = words;
  const group = ENTRIES.filter(({ name }) => name.startsWith(`${first} `));
  if (first === undefined) {
    if (argv.includes("--version")) {
      terminal.line(packageVersion());
      return EXIT.ok;
    }
    const args = parseArguments({ name: "", options: { version: { help: "" } } }, argv);
    terminal.line(overview(terminal, packageVersion()));
    return args.flag("help") ? EXIT.ok : EXIT.usage;
  }
  if (first === "help") return dispatch([...argv.filter((word) => word !== "help"), "--help"], terminal);
  if (group.length > 0 && second === undefined) {
    terminal.line(groupPage(first, group, terminal.styles));
    return argv.includes("--help") || argv.includes("-h") ? EXIT.ok : EXIT.usage;
  }
  throw await unknownCommand(words, group);
}

async function unknownCommand(words: readonly string[], group: readonly Entry[]): Promise<Error> {
  const { closest } = await import("../core/suggestion.ts");
  const [first = "", second = ""] = words;
  const names = ENTRIES.map(({ name }) => name);
  if (group.length > 0) {
    const near = closest(
      second,
      group.map(({ name }) => name.slice(first.length + 1)),
    );
    return usageError(
      `perdure ${first} has no command ${JSON.stringify(second)}`,
      near === undefined
        ? `it has ${group.map(({ name }) => name.slice(first.length + 1)).join(", ")}`
        : `did you mean perdure ${first} ${near}?`,
    );
  }
  const near =
    names.find((name) => name.split(" ")[1] === first) ??
    closest(words.join(" "), names) ??
    closest(first, [...names, "runs"]);
  return usageError(
    `perdure has no command ${JSON.stringify(first)}`,
    near === undefined ? "perdure --help lists the commands" : `did you mean perdure ${near}?`,
  );
}
