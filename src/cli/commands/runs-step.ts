/** `perdure runs complete-step`, `skip-step`, `fail-step` and `retry-step`: settling by hand what a run is stuck at. */
import type { RunHandle } from "../../client/run-handle.ts";
import { type Command, EXIT, type Invocation, type OptionSpecs } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { readValue } from "../input-values.ts";
import { MANY_OPTIONS, MANY_USAGE, meansMany, withMany } from "../many-runs.ts";

const REASON: OptionSpecs = { reason: { value: "TEXT", help: "why, for those who look at it later" } };

/** What is done with a step. Returns what to say about it. */
type Deed = (handle: RunHandle, step: string | number, invocation: Invocation) => Promise<string>;

function stepCommand(command: Omit<Command, "run">, deed: Deed): Command {
  return { ...command, run: (invocation) => settle(invocation, deed) };
}

export const runsCompleteStep: Command = stepCommand(
  {
    name: "runs complete-step",
    summary: "give a step its result by hand",
    usage: "ID STEP [--data VALUE] [--reason TEXT]",
    description: `As if it had returned that. The step is in flight, or it failed the run: then the run goes on.
STEP is a name or label, or the number of a command; perdure runs show lists what is in flight.`,
    options: {
      data: {
        short: "d",
        value: "VALUE",
        multiple: true,
        help: "the result: key=value, JSON, @FILE or - (standard input); null without",
      },
      ...REASON,
    },
    examples: [["perdure runs complete-step order-42 charge --data receipt=r-7", "the charge was made by phone"]],
  },
  async (handle, step, { args }) => {
    await handle.completeStep(step, (await readValue("data", args.list("data"))) ?? null, args.text("reason"));
    return "was completed";
  },
);

export const runsSkipStep: Command = stepCommand(
  {
    name: "runs skip-step",
    summary: "leave a step out",
    usage: "ID STEP [--reason TEXT]",
    description: "It completes with null. The step is in flight, or it failed the run: then the run goes on.",
    options: REASON,
    examples: [['perdure runs skip-step order-42 notify --reason "told in person"', "go on without it"]],
  },
  async (handle, step, { args }) => {
    await handle.skipStep(step, args.text("reason"));
    return "is left out";
  },
);

export const runsFailStep: Command = stepCommand(
  {
    name: "runs fail-step",
    summary: "fail a step without further attempts",
    usage: "ID STEP [--message TEXT] [--reason TEXT]",
    description: "The code of the run gets the error, as if the last attempt had thrown it.",
    options: { message: { value: "TEXT", help: "message of the error (default: failed by hand)" }, ...REASON },
    examples: [['perdure runs fail-step order-42 charge --message "card withdrawn"', "do not try any more"]],
  },
  async (handle, step, { args }) => {
    await handle.failStep(step, new Error(args.text("message") ?? "failed by hand"), args.text("reason"));
    return "fails";
  },
);

const retryOne: Deed = async (handle, step) => {
  await handle.retryStep(step);
  return "is tried again";
};

export const runsRetryStep: Command = {
  name: "runs retry-step",
  summary: "start the next attempt of a step now",
  usage: `ID STEP | ${MANY_USAGE.slice("ID | ".length)}`,
  description: `Instead of after its back-off. With the options that mean many runs, whatever waits for its next attempt in them is
tried.`,
  options: MANY_OPTIONS,
  examples: [
    ["perdure runs retry-step order-42 charge", "the provider is back"],
    ["perdure runs retry-step --workflow order", "for all orders"],
  ],
  run: (invocation) => (meansMany(invocation) ? withMany(invocation, "retry") : settle(invocation, retryOne)),
};

function settle(invocation: Invocation, deed: Deed): Promise<number> {
  const { args, terminal, json } = invocation;
  const id = args.at(0, "ID");
  const name = args.at(1, "STEP");
  args.atMost(2);
  return withConnection(invocation, async (connection) => {
    const { handle } = await findRun(connection, id);
    const { workflowId, runId } = handle;
    const what = await deed(handle, /^\d+$/.test(name) ? Number(name) : name, invocation);
    if (json) terminal.line(JSON.stringify({ done: true, step: name, workflowId, runId }));
    else terminal.line(`${terminal.styles.green("✔")} ${name} of ${workflowId} ${what}`);
    return EXIT.ok;
  });
}
