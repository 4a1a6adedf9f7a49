/** `perdure pause`: stops a workflow, a queue or everything, on all engines of the store. */
import type { Connection } from "../../client/connection.ts";
import type { PauseTarget } from "../../client/pause-control.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import { TARGET_OPTIONS, targetOf, targetText, unpauseCommand } from "../pause-words.ts";

export const pause: Command = {
  name: "pause",
  summary: "stop a workflow, a queue or everything",
  usage: "--workflow NAME | --queue NAME | --all [--reason TEXT]",
  description: `What runs ends; nothing new is started, on no engine of the store, until perdure unpause. A paused workflow still takes messages and
starts; its new runs wait. perdure runs pause stops single runs.`,
  options: { ...TARGET_OPTIONS, reason: { value: "TEXT", help: "why; perdure pauses and doctor show it" } },
  examples: [
    ['perdure pause --queue mail --reason "the mail server is down"', "no activity mail/… is started"],
    ["perdure pause --workflow order", "no run of order goes on"],
    ["perdure pause --all --reason maintenance", "nothing goes on"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => stop(invocation, connection)),
};

async function stop({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  const target = targetOf("pause", args);
  const reason = args.text("reason") ?? "";
  await connection.pause(target, reason);
  if (json) terminal.line(JSON.stringify({ paused: true, target, reason }));
  else {
    terminal.line(`${terminal.styles.green("✔")} ${targetText(target)} paused; ${unpauseCommand(target)} lifts it`);
    if (await isUnknown(connection, target))
      terminal.line(terminal.styles.yellow(`no run of ${targetText(target)} is in this store yet; is the name right?`));
  }
  return EXIT.ok;
}

async function isUnknown({ runs }: Connection, target: PauseTarget): Promise<boolean> {
  if (target === "all" || !("workflow" in target)) return false;
  return (await runs.list({ workflow: target.workflow, limit: 1 })).length === 0;
}
