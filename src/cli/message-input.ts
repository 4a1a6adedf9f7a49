/** What is sent with a message to a run: `perdure runs update ID NAME key=value …`. */
import type { Arguments } from "./arguments.ts";
import { isPair, readValue } from "./input-values.ts";
import { usageError } from "./usage-error.ts";

/** The value of `--input` and of the pairs after ID and NAME; undefined when there is none. */
export async function messageInput(command: string, args: Arguments): Promise<unknown> {
  const pairs = args.positionals.slice(2);
  const stray = pairs.find((text) => !isPair(text));
  if (stray === undefined) return readValue("input", [...args.list("input"), ...pairs]);
  throw usageError(
    `${command}: one argument too many: ${JSON.stringify(stray)}`,
    "the input is written key=value or --input JSON",
  );
}
