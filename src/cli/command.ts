/** What a command is made of. */
import type { Arguments } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

/** An option of a command. */
export interface OptionSpec {
  /** Name of its value in the help; an option without is a switch. */
  readonly value?: string;
  readonly short?: string;
  /** Can be given several times. */
  readonly multiple?: boolean;
  readonly help: string;
}

/** Options by their long names. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** A command of the command line. */
export interface Command {
  /** As it is typed: `runs list`. */
  readonly name: string;
  readonly summary: string;
  /** What follows the name: `FILE [options]`. */
  readonly usage: string;
  /** Paragraphs under the summary. */
  readonly description?: string;
  readonly options: OptionSpecs;
  readonly examples: readonly Example[];
  /** Returns the exit code. */
  run(invocation: Invocation): Promise<number>;
}

/** A command line and what it does. */
export type Example = readonly [commandLine: string, what: string];

/** One call of a command. */
export interface Invocation {
  readonly args: Arguments;
  readonly terminal: Terminal;
  /** Whether output is for programs. */
  readonly json: boolean;
  /** Folder the command was called in. */
  readonly cwd: string;
}

/** Options that every command has. */
export const GLOBAL_OPTIONS: OptionSpecs = {
  store: {
    value: "URL",
    help: "where runs are kept: sqlite:PATH, postgres://… or memory: (default sqlite:.perdure/store.db)",
  },
  json: { help: "print JSON for programs" },
  "no-color": { help: "print without colours" },
  help: { short: "h", help: "show this help" },
};

/** Exit codes of the command line. */
export const EXIT: {
  readonly ok: 0;
  readonly failed: 1;
  readonly usage: 2;
  readonly unreachable: 3;
  readonly interrupted: 130;
} = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 };
