/** `perdure approvals list`: what waits for somebody's decision. */
import type { Connection } from "../../client/connection.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import type { Part } from "../text/styled-line.ts";
import { tableLines } from "../text/table.ts";
import { agoText, clockText, isoTime } from "../text/time-text.ts";
import { type WaitingApproval, waitingApprovals } from "../waiting-approvals.ts";

export const approvalsList: Command = {
  name: "approvals list",
  summary: "what waits for a decision",
  usage: "[--workflow NAME] [--for WHO]",
  options: {
    workflow: { short: "w", value: "NAME", help: "only runs of this workflow" },
    for: { value: "WHO", help: "only what this person may decide" },
  },
  examples: [
    ["perdure approvals list", "everything"],
    ["perdure approvals list --for ada --json", "what ada may decide, for a program"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => list(invocation, connection)),
};

async function list({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  args.atMost(0);
  const who = args.text("for");
  const found: WaitingApproval[] = [];
  for await (const one of waitingApprovals(connection, args.text("workflow"))) {
    if (who === undefined || one.approvers === undefined || one.approvers.includes(who)) found.push(one);
  }
  if (json) terminal.line(JSON.stringify(found.map(record)));
  else if (found.length === 0) terminal.line("nothing waits for a decision");
  else {
    const now = Date.now();
    const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
    const rows = found.map((one) => row(one, now));
    for (const line of tableLines(HEADER, rows, terminal.styles, columns)) terminal.line(line);
  }
  return EXIT.ok;
}

const HEADER = ["APPROVAL", "ID", "WORKFLOW", "SINCE", "DUE", "WHO MAY"];

function row({ name, workflowId, workflow, since, due, approvers }: WaitingApproval, now: number): Part[] {
  const until = due === undefined ? "" : clockText(due, now);
  return [name, workflowId, workflow, agoText(since, now), until, approvers?.join(", ") ?? ["dim", "anybody"]];
}

function record({ since, due, approvers, ...rest }: WaitingApproval): object {
  return { ...rest, since: isoTime(since), due: due === undefined ? null : isoTime(due), approvers: approvers ?? null };
}
