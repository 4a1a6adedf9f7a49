/** `perdure init`: a small example that works. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { makeFolder } from "../../store/folder.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { EXAMPLE_FILES } from "../example-files.ts";
import { shellWord } from "../progress/run-display.ts";
import { usageError } from "../usage-error.ts";

export const init: Command = {
  name: "init",
  summary: "write a small working example",
  usage: "[DIR]",
  description: "Writes a flow, its agents and a short guide. Files that exist are never overwritten.",
  options: {},
  examples: [
    ["perdure init", "here"],
    ["perdure init demo", "in a new folder"],
  ],
  run: runInit,
};

async function runInit({ args, terminal, json, cwd }: Invocation): Promise<number> {
  args.atMost(1);
  const folder = resolve(cwd, args.positionals[0] ?? ".");
  const written: string[] = [];
  const kept: string[] = [];
  for (const [name, text] of Object.entries(EXAMPLE_FILES)) {
    const done = await writeNew(join(folder, name), text);
    (done ? written : kept).push(name);
  }
  if (json) {
    terminal.line(JSON.stringify({ folder, written, kept }));
    return EXIT.ok;
  }
  const { green, dim, bold } = terminal.styles;
  for (const name of written) terminal.line(`${green("✔")} ${name}`);
  for (const name of kept) terminal.line(dim(`· ${name} is there already and was left alone`));
  const short = relative(cwd, folder);
  terminal.line(`\n${bold("try it")}`);
  if (short !== "") terminal.line(`  cd ${shellWord(short)}`);
  terminal.line("  perdure run hello --id hello-1 --input name=Ada");
  terminal.line(dim("  # it waits for a person; answer from another terminal, in the same folder:"));
  terminal.line("  perdure runs signal hello-1 approved by=Grace");
  return EXIT.ok;
}

/** Writes a file unless there is one. */
async function writeNew(file: string, text: string): Promise<boolean> {
  if (existsSync(file)) return false;
  try {
    makeFolder(dirname(file));
    await writeFile(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" && existsSync(file)) return false;
    throw usageError(`${file} cannot be written: ${(error as Error).message}`);
  }
}
