/** `perdure schedules create`: starts a workflow by the clock from now on. */
import { setTimeout as pass } from "node:timers/promises";
import { connect } from "../../client/connect.ts";
import type { Connection } from "../../client/connection.ts";
import { open } from "../../client/open.ts";
import type { ScheduleHandle } from "../../client/schedules.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { loadProject } from "../project.ts";
import { TIMING_OPTIONS, timingOf } from "../schedule-options.ts";
import { scheduleRecord, whenText } from "../schedule-words.ts";
import { clockText } from "../text/time-text.ts";
import { usageError } from "../usage-error.ts";

const LOOK_MS = 50;
/** An engine that has the workflow takes it within its interval of polling. */
const LONGEST_MS = 6000;

export const schedulesCreate: Command = {
  name: "schedules create",
  summary: "start a workflow by the clock",
  usage: "NAME --workflow NAME --cron EXPRESSION | --every DURATION | --at TIME [options]",
  description: `The schedule is kept in the store. Engines that have the workflow start its runs, each tick once however many engines there are; this
command starts none. Runs have the id NAME@TIME and the tag schedule=NAME.`,
  options: { workflow: { short: "w", value: "NAME", help: "the workflow to start" }, ...TIMING_OPTIONS },
  examples: [
    ['perdure schedules create nightly -w report --cron "0 3 * * *"', "every night"],
    ["perdure schedules create sync -w sync --every 15m -i full=false", "every 15 minutes"],
    ["perdure schedules create launch -w launch --at 2027-01-31T09:00:00Z", "once"],
  ],
  run: create,
};

async function create(invocation: Invocation): Promise<number> {
  const { args, terminal, json } = invocation;
  const name = args.only("NAME");
  const workflow = args.text("workflow");
  if (workflow === undefined)
    throw usageError(
      "schedules create: no workflow to start",
      `write --workflow NAME: perdure schedules create ${name} --workflow report …`,
    );
  const timing = await timingOf(args);
  const { store } = await loadProject(invocation);
  const engine = await open({ store });
  try {
    await engine.schedules.create(name, { ...timing, workflow }, { elsewhere: true });
  } finally {
    await engine.close();
  }
  await using connection = await connect({ store });
  const alone = (await connection.store.engines()).length === 0;
  const handle = await connection.schedules.get(name);
  const taken = !alone && (await isTaken(connection, handle));
  const made = await handle.describe();
  if (json) terminal.line(JSON.stringify({ ...scheduleRecord(made), taken }));
  else {
    const next = made.next === undefined ? "" : `, next ${clockText(made.next, Date.now())}`;
    terminal.line(`${terminal.styles.green("✔")} ${name} starts ${workflow}: ${whenText(made)}${next}`);
    const once = `runs start once one with ${workflow} does`;
    if (alone) terminal.line(terminal.styles.dim(`no engine is running on this store: ${once}`));
    else if (made.waitingFor !== undefined)
      terminal.line(`${terminal.styles.yellow("!")} no engine of this store has a workflow ${workflow}: ${once}`);
    else if (!taken) terminal.line(terminal.styles.dim(`no engine has taken it yet: ${once}`));
  }
  return EXIT.ok;
}

/** Waits until an engine has taken the schedule, or for so long that there is none with its workflow. */
async function isTaken({ store }: Connection, schedule: ScheduleHandle): Promise<boolean> {
  for (const limit = Date.now() + LONGEST_MS; Date.now() < limit; await pass(LOOK_MS)) {
    const { workflowId, waitingFor } = await schedule.describe();
    if ((await store.find({ workflowId }))?.progress !== null) return true;
    if (waitingFor !== undefined) break;
  }
  return false;
}
