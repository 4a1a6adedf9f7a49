/** `perdure queues list`: what waits in which queue, and who serves it. */
import type { Connection } from "../../client/connection.ts";
import type { QueueStatus } from "../../client/queues.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { withConnection } from "../connection.ts";
import type { Part } from "../text/styled-line.ts";
import { tableLines } from "../text/table.ts";
import { isoTime, spanText } from "../text/time-text.ts";

export const queuesList: Command = {
  name: "queues list",
  summary: "what waits in which queue, and who serves it",
  usage: "",
  description:
    "Shows activities that are handed out between engines: those of queues that the engine of their run does not serve, and of queues with a limit everywhere. What an engine runs for itself waits in no queue.",
  options: {},
  examples: [
    ["perdure queues list", "all queues"],
    ["perdure queues list --json | jq '.[] | select(.unserved != [])'", "queues with tasks that no engine can run"],
  ],
  run: (invocation) => withConnection(invocation, (connection) => list(invocation, connection)),
};

const HEADER = ["QUEUE", "WAITING", "RUNNING", "OLDEST", "EVERYWHERE", "SERVED BY"];

async function list({ args, terminal, json }: Invocation, connection: Connection): Promise<number> {
  args.atMost(0);
  const queues = await connection.queues();
  if (json) {
    const told = queues.map(({ oldestAt, ...queue }) => ({
      ...queue,
      ...(oldestAt !== undefined && { oldestAt: isoTime(oldestAt) }),
    }));
    terminal.line(JSON.stringify(told));
  } else if (queues.length === 0) terminal.line("no activities are handed out, no queue has a limit everywhere");
  else {
    const now = connection.now();
    const columns = terminal.live ? terminal.columns : Number.POSITIVE_INFINITY;
    const rows = queues.map((queue) => cells(queue, now));
    for (const line of tableLines(HEADER, rows, terminal.styles, columns)) terminal.line(line);
  }
  return EXIT.ok;
}

function cells(status: QueueStatus, now: number): Part[] {
  const { queue, waiting, running, oldestAt, everywhere } = status;
  return [
    queue,
    String(waiting),
    String(running),
    oldestAt === undefined ? "" : spanText(now - oldestAt),
    everywhere === undefined ? "" : String(everywhere),
    servedBy(status),
  ];
}

function servedBy({ paused, engines, unserved }: QueueStatus): string {
  const parts = [
    ...(paused ? ["paused"] : []),
    ...(engines.length > 0 ? [engines.join(", ")] : []),
    ...(unserved.length > 0 ? [`nobody has ${unserved.join(", ")}`] : engines.length === 0 ? ["nobody"] : []),
  ];
  return parts.join("; ");
}
