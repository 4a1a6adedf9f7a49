/** What an agent is given. */
import { readFileSync } from "node:fs";

/** The JSON on standard input: `input` of the step, outputs of its direct dependencies, input of the run. */
export function readCall() {
  return JSON.parse(readFileSync(0, "utf8"));
}

/** Prints the agent's result. Everything it writes to standard error instead goes to the log. */
export function answer(result) {
  console.log(JSON.stringify(result));
}
