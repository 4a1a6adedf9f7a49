/** `perdure runs fork`: a new run that begins in the middle of another one. */
import type { ForkOptions } from "../../client/fork.ts";
import { open } from "../../client/open.ts";
import type { Perdure } from "../../client/perdure.ts";
import type { RunHandle } from "../../client/run-handle.ts";
import type { Store } from "../../store/store.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findRun, withConnection } from "../connection.ts";
import { readValue } from "../input-values.ts";
import { pointOf } from "../point-option.ts";
import { superviseRun } from "../run-supervisor.ts";
import { loadOrigin, type Runnable } from "../runnable.ts";
import { readSecrets } from "../secret-values.ts";

export const runsFork: Command = {
  name: "runs fork",
  summary: "start a new run in the middle of another one",
  usage: "ID --from STEP [--input VALUE] [--as ID] [--rerun CHILD] [--messages] [--secret NAME] [--detach]",
  description: `The new run has the history of the old one up to the STEP: what was finished before does not run again. The old run is not
touched, whatever state it is in. The new one is advanced in this process until it ends; with --detach it is only made, for an engine
that runs elsewhere. STEP is a name or label (the last of several), the number of a command, or @12 for event 12; a name that does not
exist is answered with those that do.`,
  options: {
    from: { value: "STEP", help: "the step to begin with" },
    input: {
      short: "i",
      value: "VALUE",
      multiple: true,
      help: "another input: key=value, JSON, @FILE or - (standard input)",
    },
    as: { value: "ID", help: "workflow id of the new run (default ID~fork-1)" },
    rerun: { value: "CHILD", multiple: true, help: "a child from before the STEP that is to run again" },
    messages: { help: "give it the signals and updates that came after the STEP" },
    secret: {
      value: "NAME[=VALUE]",
      multiple: true,
      help: "a secret for the steps; without VALUE from the environment",
    },
    agents: {
      short: "a",
      value: "FILE",
      multiple: true,
      help: "file of agents and activities (default: those the run was started with)",
    },
    detach: { help: "do not run it here" },
  },
  examples: [
    ["perdure runs fork order-42 --from charge", "do it again from the charge on"],
    ["perdure runs fork order-42 --from charge --input card=new --as order-42b", "with another input"],
    ["perdure runs fork order-42 --from charge --detach", "let a running engine do it"],
  ],
  run: fork,
};

async function fork(invocation: Invocation): Promise<number> {
  const { args } = invocation;
  const id = args.only("ID");
  const options = await optionsOf(invocation);
  const detach = args.flag("detach");
  const { runId, store, queues, runnable, made } = await withConnection(invocation, async (connection, project) => {
    const { handle, row } = await findRun(connection, id);
    const origin = await loadOrigin(project, connection.store, row, args.list("agents"));
    const forked = detach ? await forkOnly(connection.store, origin, handle.runId, options) : undefined;
    return { runId: handle.runId, store: project.store, queues: project.config.queues, runnable: origin, made: forked };
  });
  if (made !== undefined) return told(invocation, made);
  const obtain = async (engine: Perdure): Promise<RunHandle> => (await engine.runs.handle(runId)).fork(options);
  return superviseRun({ invocation, runnable, store, queues, obtain });
}

/** Forks through an engine that has the code and takes no run. */
async function forkOnly(store: Store, runnable: Runnable, runId: string, options: ForkOptions): Promise<RunHandle> {
  const claimsNothing = new Proxy(store, {
    get(target, key) {
      if (key === "claim") return () => Promise.resolve([]);
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
  const { workflows, activities, serves } = runnable;
  await using engine = await open({
    claims: "own",
    store: claimsNothing,
    workflows,
    activities,
    ...(serves !== undefined && { serves }),
  });
  return await (await engine.runs.handle(runId)).fork(options);
}

function told({ terminal, json }: Invocation, { workflowId, runId }: RunHandle): number {
  if (json) terminal.line(JSON.stringify({ forked: true, workflowId, runId }));
  else terminal.line(`${terminal.styles.green("✔")} ${workflowId} starts as soon as an engine takes it`);
  return EXIT.ok;
}

async function optionsOf({ args }: Invocation): Promise<ForkOptions> {
  const from = pointOf("from", args.text("from"));
  const input = await readValue("input", args.list("input"));
  const id = args.text("as");
  const secrets = args.list("secret");
  return {
    from,
    ...(args.list("input").length > 0 && { input }),
    ...(id !== undefined && { id }),
    ...(secrets.length > 0 && { secrets: readSecrets(secrets) }),
    children: Object.fromEntries(args.list("rerun").map((child) => [child, "rerun" as const])),
    messages: args.flag("messages"),
  };
}
