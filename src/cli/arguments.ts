/** Reads what follows a command's name. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { closest } from "../core/suggestion.ts";
import { type Command, GLOBAL_OPTIONS, type OptionSpecs } from "./command.ts";
import { usageError } from "./usage-error.ts";

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** The options and positionals of one call. */
export class Arguments {
  readonly #command: string;
  readonly #values: Values;
  readonly positionals: readonly string[];

  constructor(command: string, values: Values, positionals: readonly string[]) {
    this.#command = command;
    this.#values = values;
    this.positionals = positionals;
  }

  /** Whether a switch was given. */
  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** The value of an option, or undefined. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  /** The values of an option that can be given several times. */
  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** A whole number from 1, or undefined. */
  count(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const number = Number(text);
    if (!Number.isSafeInteger(number) || number < 1)
      throw usageError(`--${name} takes a whole number from 1, not ${JSON.stringify(text)}`);
    return number;
  }

  /** The only positional. */
  only(what: string): string {
    const value = this.at(0, what);
    this.atMost(1);
    return value;
  }

  /** A positional that must be there. */
  at(index: number, what: string): string {
    const value = this.positionals[index];
    if (value === undefined) throw usageError(`${this.#command}: ${what} is missing`, this.helpHint);
    return value;
  }

  /** Refuses further positionals. */
  atMost(count: number): void {
    const extra = this.positionals[count];
    if (extra !== undefined)
      throw usageError(`${this.#command}: there is one argument too many: ${JSON.stringify(extra)}`, this.helpHint);
  }

  get helpHint(): string {
    return `perdure ${this.#command} --help shows how to call it`;
  }
}

/** Parses the arguments of a command. @throws PerdureError `INVALID_ARGUMENT`. */
export function parseArguments(command: Pick<Command, "name" | "options">, argv: readonly string[]): Arguments {
  const specs = { ...GLOBAL_OPTIONS, ...command.options };
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: parserOptions(specs),
      allowPositionals: true,
      strict: true,
    });
    return new Arguments(command.name, values as Values, positionals);
  } catch (error) {
    throw better(error as NodeJS.ErrnoException, command.name, specs);
  }
}

function parserOptions(specs: OptionSpecs): NonNullable<ParseArgsConfig["options"]> {
  return Object.fromEntries(
    Object.entries(specs).map(([name, { value, short, multiple }]) => [
      name,
      {
        type: value === undefined ? "boolean" : "string",
        ...(short !== undefined && { short }),
        ...(multiple === true && { multiple }),
      } as const,
    ]),
  );
}

function better(error: NodeJS.ErrnoException, command: string, specs: OptionSpecs): Error {
  const help = `perdure ${command} --help lists the options`;
  if (error.code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
    const given = /'(-[^' ]+)/.exec(error.message)?.[1] ?? "";
    const near = closest(given.replace(/^-+/, ""), Object.keys(specs));
    return usageError(
      `perdure ${command} has no option ${given}`,
      near === undefined ? help : `did you mean --${near}? ${help}`,
    );
  }
  if (error.code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") {
    const name = /--([\w-]+)/.exec(error.message)?.[1] ?? "";
    const value = specs[name]?.value;
    return value === undefined
      ? usageError(`--${name} takes no value`, help)
      : usageError(
          `--${name} needs a value: --${name} ${value}`,
          `a value that begins with - is written --${name}=VALUE`,
        );
  }
  return error;
}
