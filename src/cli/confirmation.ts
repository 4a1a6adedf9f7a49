/** Asking before something that cannot be taken back. */
import { createInterface } from "node:readline/promises";
import { usageError } from "./usage-error.ts";

/**
 * Whether somebody at the terminal says yes.
 *
 * @throws PerdureError `INVALID_ARGUMENT` when nobody is there to ask.
 */
export async function confirmed(command: string, question: string): Promise<boolean> {
  if (process.stdin.isTTY !== true)
    throw usageError(`${command}: nobody is there to ask: ${question}`, "--yes does it without a question");
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}
