/** Flows that the tests of the command line run. Agents write what they do into files, so that effects can be counted. */

/** A program that notes its step in `done.txt` and prints JSON. */
const NOTE = `require("fs").appendFileSync("done.txt", process.env.PERDURE_STEP_ID + "\\n"); console.log(JSON.stringify({ step: process.env.PERDURE_STEP_ID }))`;
/** A program that begins, and ends only once there is a file `go`. */
const HOLD = `require("fs").appendFileSync("began.txt", process.env.PERDURE_STEP_ID + "\\n"); setInterval(() => { if (require("fs").existsSync("go")) { ${NOTE}; process.exit() } }, 20)`;

const command = (code: string): string =>
  `{ command: [${JSON.stringify(process.execPath)}, -e, ${JSON.stringify(code)}] }`;

/** Agents `note`, `hold`, `echo` and `fail`. */
export const AGENTS = `agents:
  note: ${command(NOTE)}
  hold: ${command(HOLD)}
  echo: ${command(`let t = ""; process.stdin.on("data", (d) => (t += d)).on("end", () => console.log(t))`)}
  fail: ${command(`console.error("no such table"); process.exit(65)`)}
`;

/** Three steps, the second of which holds. */
export const HOLDING = `name: holding
steps:
  - { id: one, agent: note }
  - { id: two, agent: hold, depends_on: [one] }
  - { id: three, agent: note, depends_on: [two] }
`;

/** Waits for a signal and gives it as its output. */
export const ASKING = `name: asking
steps:
  - { id: before, agent: note }
  - { id: answer, depends_on: [before], signal: { name: approved, timeout: 1h } }
  - { id: after, agent: note, depends_on: [answer] }
output: "\${{ steps.answer.output }}"
`;

/** Gives its input as its output. */
export const ECHO = `name: echo
steps:
  - { id: echo, agent: echo }
output: "\${{ steps.echo.output.input }}"
`;

/** Fails at its second step. */
export const FAILING = `name: failing
steps:
  - { id: one, agent: note }
  - { id: two, agent: fail, depends_on: [one] }
  - { id: three, agent: note, depends_on: [two] }
`;
