/** `perdure approvals approve` and `perdure approvals reject`. */
import type { Connection } from "../../client/connection.ts";
import type { RunHandle } from "../../client/run-handle.ts";
import { isPerdureError, PerdureError } from "../../core/errors.ts";
import { approvalUpdate } from "../../engine/approval.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { answerWithin } from "../update-answer.ts";
import { usageError } from "../usage-error.ts";
import { approvalsOf } from "../waiting-approvals.ts";

export const approvalsApprove: Command = decision("approve", "say yes to what a run asks for", [
  ["perdure approvals approve doc-7 publish --by ada", "the approval publish of run doc-7"],
  ['perdure approvals approve doc-7 --by ada --comment "well done"', "the only one it waits for"],
]);

export const approvalsReject: Command = decision("reject", "say no to what a run asks for", [
  ['perdure approvals reject doc-7 publish --by ada --comment "no sources"', "with a reason"],
]);

function decision(verb: "approve" | "reject", summary: string, examples: Command["examples"]): Command {
  return {
    name: `approvals ${verb}`,
    summary,
    usage: "ID [NAME] --by WHO [--comment TEXT]",
    description: `NAME is that of the approval; it may be left out when the run waits for one only. The run checks that WHO may decide. The first
decision counts.`,
    options: {
      by: { value: "WHO", help: "who decides" },
      comment: { value: "TEXT", help: "what the run gets with the decision" },
      timeout: { value: "DURATION", help: "how long to wait until the run has taken it (default 30s)" },
    },
    examples,
    run: (invocation) => withConnection(invocation, (connection) => decide(invocation, connection, verb)),
  };
}

async function decide(
  { args, terminal, json }: Invocation,
  connection: Connection,
  verb: "approve" | "reject",
): Promise<number> {
  args.atMost(2);
  const id = args.at(0, "ID");
  const by = args.text("by");
  if (by === undefined)
    throw usageError(`approvals ${verb}: nobody decides`, `write --by WHO: perdure approvals ${verb} ${id} --by ada`);
  const { handle, row } = await findRun(connection, id);
  const name = args.positionals[1] ?? (await onlyOne(handle));
  const comment = args.text("comment");
  const decided = { by, ...(comment !== undefined && { comment }), approved: verb === "approve" };
  await answerWithin(connection, row, args.text("timeout"), (timeout) =>
    handle.update(approvalUpdate(name), decided, { timeout }),
  ).catch((error: unknown) => {
    throw isPerdureError(error, "UPDATE_FAILED") ? refusal(error, row.workflowId, name) : error;
  });
  const { workflowId, runId } = handle;
  if (json) terminal.line(JSON.stringify({ workflowId, runId, approval: name, ...decided }));
  else
    terminal.line(
      `${terminal.styles.green("✔")} ${name} of ${workflowId} ${verb === "approve" ? "approved" : "rejected"}`,
    );
  return EXIT.ok;
}

/** What the run said, in words of decisions: that they are updates underneath is nothing that people need to know. */
function refusal({ cause, details }: PerdureError, workflowId: string, name: string): PerdureError {
  const { code, message } = cause as { readonly code?: unknown; readonly message: string };
  if (code !== "NOT_FOUND") return new PerdureError("UPDATE_FAILED", message, { cause, details });
  return new PerdureError("UPDATE_FAILED", `${workflowId} waits for no approval ${JSON.stringify(name)}`, {
    cause,
    details: { ...details, hint: "perdure approvals list shows what waits for a decision" },
  });
}

async function onlyOne(handle: RunHandle): Promise<string> {
  const waiting = approvalsOf(await handle.describe());
  const [first] = waiting;
  if (waiting.length === 1 && first !== undefined) return first.name;
  const { workflowId } = handle;
  if (first === undefined)
    throw new PerdureError("NOT_FOUND", `${workflowId} waits for no approval`, {
      details: { hint: "perdure approvals list shows what waits for a decision" },
    });
  const names = waiting.map(({ name }) => name).join(", ");
  throw usageError(`${workflowId} waits for ${waiting.length} approvals: ${names}`, "say which, after the ID");
}
