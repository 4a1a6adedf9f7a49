/** `perdure doctor`: whether everything is in place. */
import { hostname } from "node:os";
import { connect } from "../../client/connect.ts";
import type { Connection } from "../../client/connection.ts";
import type { RunDescription } from "../../client/run-description.ts";
import { isPerdureError } from "../../core/errors.ts";
import { shownAddress } from "../../store/address.ts";
import type { MigrationState } from "../../store/migration-state.ts";
import { migrationStatusOf } from "../../store/migration-status.ts";
import { createSealer } from "../../store/sealing.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { namedFlows } from "../flow-files.ts";
import { pauseText, unpauseCommand } from "../pause-words.ts";
import { shellWord } from "../progress/run-display.ts";
import { loadProject, type Project } from "../project.ts";
import { plainLine } from "../text/cell-width.ts";
import { agoText, clockText } from "../text/time-text.ts";
import { packageVersion } from "../version.ts";
import { waitingCode } from "../waiting-code.ts";

export const doctor: Command = {
  name: "doctor",
  summary: "check that everything is in place",
  usage: "",
  description:
    "Looks at Node, the configuration, the store, its engines and its open runs. The exit code is 1 when something is wrong.",
  options: {},
  examples: [
    ["perdure doctor", "check"],
    ["perdure doctor --json | jq '.checks[] | select(.ok | not)'", "what is wrong"],
  ],
  run: runDoctor,
};

/** One thing that was looked at. */
interface Check {
  readonly name: string;
  /** `undefined`: worth knowing, neither good nor bad. */
  readonly ok: boolean | undefined;
  readonly message: string;
  readonly hint?: string;
  /** More lines under it. */
  readonly details?: readonly string[];
}

async function runDoctor(invocation: Invocation): Promise<number> {
  const { args, terminal, json } = invocation;
  args.atMost(0);
  const checks: Check[] = [versionCheck(), nodeCheck(), driverCheck()];
  const project = await tried("configuration", checks, () => loadProject(invocation));
  if (project !== undefined) {
    checks.push(configCheck(project), await flowsCheck(project));
    checks.push(...(await storeChecks(project)));
  }
  const wrong = checks.filter(({ ok }) => ok === false).length;
  if (json) terminal.line(JSON.stringify({ ok: wrong === 0, checks }));
  else for (const check of checks) print(check, invocation);
  return wrong === 0 ? EXIT.ok : EXIT.failed;
}

function print({ name, ok, message, hint, details = [] }: Check, { terminal }: Invocation): void {
  const { green, red, dim, bold } = terminal.styles;
  const icon = ok === undefined ? dim("·") : ok ? green("✔") : red("✖");
  terminal.line(`${icon} ${bold(name.padEnd(NAME_WIDTH))} ${message}`);
  for (const line of details) terminal.line(`${" ".repeat(NAME_WIDTH + 3)}${dim(line)}`);
  if (hint !== undefined) terminal.line(`${" ".repeat(NAME_WIDTH + 3)}${dim(hint)}`);
}

const NAME_WIDTH = 13;

/** Calls `look`; its error becomes a failed check. */
async function tried<T>(name: string, checks: Check[], look: () => Promise<T> | T): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    const hint = isPerdureError(error) ? error.details.hint : undefined;
    checks.push({ name, ok: false, message: (error as Error).message, ...(typeof hint === "string" && { hint }) });
    return undefined;
  }
}

function versionCheck(): Check {
  return { name: "perdure", ok: undefined, message: packageVersion() };
}

const LEAST_NODE = [20, 19] as const;

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const message = `${process.versions.node}, ${process.platform} ${process.arch}`;
  return { name: "node", ok, message, ...(!ok && { hint: `perdure needs Node ${LEAST_NODE.join(".")} or newer` }) };
}

function driverCheck(): Check {
  const { getBuiltinModule } = process as { getBuiltinModule?: (id: string) => unknown };
  const builtin = getBuiltinModule?.("node:sqlite") !== undefined;
  return { name: "sqlite", ok: true, message: builtin ? "node:sqlite" : "libsql (this Node has no node:sqlite)" };
}

function configCheck({ configFile }: Project): Check {
  return {
    name: "configuration",
    ok: configFile === undefined ? undefined : true,
    message: configFile ?? "no perdure.config.ts; defaults are used",
  };
}

async function flowsCheck(project: Project): Promise<Check> {
  const names = [...new Set((await namedFlows(project)).map(({ name }) => name))];
  const message = names.length === 0 ? "none found by name" : names.join(", ");
  return { name: "flows", ok: names.length === 0 ? undefined : true, message };
}

async function storeChecks(project: Project): Promise<Check[]> {
  const { store, storeFrom } = project;
  const shown = shownAddress(store);
  const from = storeFrom === "default" ? "" : ` (${storeFrom})`;
  const checks: Check[] = [];
  const schema = await tried("schema", checks, async () => ({ state: await migrationStatusOf(store) }));
  if (schema === undefined) return checks;
  const { state } = schema;
  if (state?.applied.length === 0)
    return [
      { name: "store", ok: undefined, message: `${shown}${from} does not exist yet`, hint: "the first run makes it" },
    ];
  if (state !== undefined) checks.push(schemaCheck(state));
  // What an older version wrote cannot be read before it is migrated, which is not for those who only look.
  if (state !== undefined && state.pending.length > 0)
    return [{ name: "store", ok: undefined, message: `${shown}${from}` }, ...checks];
  const connection = await tried("store", checks, () => connect({ store }));
  if (connection === undefined) return checks;
  try {
    checks.unshift({ name: "store", ok: true, message: `${shown}${from}, id ${connection.store.id}` });
    checks.push({
      name: "durability",
      ok: true,
      message: "every commit reaches the disk (unless --durability relaxed)",
    });
    checks.push(
      await enginesCheck(connection),
      ...(await keyCheck(connection, store)),
      ...(await pausesCheck(connection)),
      ...(await queuesCheck(connection)),
      ...(await admissionsCheck(connection)),
      ...(await runsChecks(connection)),
    );
    for (const { here, message, hint } of (await tried("code", checks, () => waitingCode(connection, project))) ?? [])
      checks.push({ name: "code", ok: here ? undefined : false, message, hint });
    return checks;
  } finally {
    await connection.close();
  }
}

function schemaCheck({ applied, pending }: MigrationState): Check {
  const newest = applied.at(-1)!;
  const message = `version ${newest.number} (${newest.name})`;
  return pending.length === 0
    ? { name: "schema", ok: true, message }
    : {
        name: "schema",
        ok: false,
        message: `${message}, ${pending.length} missing`,
        hint: "perdure migrate applies them; before that nothing else can be looked at",
      };
}

async function enginesCheck({ store }: Connection): Promise<Check> {
  const engines = await store.engines();
  const now = Date.now();
  const details = engines.map(({ label, registeredAt, runs }) => {
    const gone = isGone(label) ? ", process is gone: its runs are freed by the next engine" : "";
    return `${label}, since ${agoText(registeredAt, now)}, ${runs} ${runs === 1 ? "run" : "runs"}${gone}`;
  });
  const message = engines.length === 0 ? "none running" : `${engines.length} registered`;
  return { name: "engines", ok: engines.length === 0 ? undefined : true, message, details };
}

async function pausesCheck(connection: Connection): Promise<Check[]> {
  const pauses = await connection.pauses();
  if (pauses.length === 0) return [];
  const now = Date.now();
  const details = pauses.map((pause) => pauseText(pause, now));
  const hint = `to go on: ${pauses.map(({ target }) => unpauseCommand(target)).join("; ")}`;
  return [{ name: "paused", ok: undefined, message: String(pauses.length), details, hint }];
}

/** Whether the secrets that are there can be read with the key that would be used here. */
async function keyCheck({ store }: Connection, address: string): Promise<Check[]> {
  const sealed = await store.someSecrets();
  if (sealed === undefined) return [];
  const checks: Check[] = [];
  const read = await tried("key", checks, () => createSealer(address).unseal(sealed));
  return read === undefined ? checks : [{ name: "key", ok: true, message: "secrets of runs can be read with it" }];
}

/** Queues in which something waits: nothing takes what no engine has. */
async function queuesCheck(connection: Connection): Promise<Check[]> {
  const queues = (await connection.queues()).filter(({ waiting }) => waiting > 0);
  if (queues.length === 0) return [];
  const now = connection.now();
  const details = queues.map(({ queue, waiting, oldestAt, paused, unserved }) => {
    const wait = `${waiting} ${waiting === 1 ? "task waits" : "tasks wait"} for queue ${queue}`;
    const nobody = unserved.length > 0 ? `, no engine can run ${unserved.join(", ")}` : "";
    return `${wait}, the oldest since ${agoText(oldestAt ?? now, now)}${paused ? ", paused" : ""}${nobody}`;
  });
  const lonely = queues.filter(({ unserved }) => unserved.length > 0);
  const serves = JSON.stringify(lonely.map(({ queue }) => queue));
  const names = lonely.flatMap(({ unserved }) => unserved).join(", ");
  const hint = `open an engine that has them by name: open({ serves: ${serves}, activities }) with ${names}`;
  const total = queues.reduce((sum, { waiting }) => sum + waiting, 0);
  return [
    {
      name: "queues",
      ok: lonely.length > 0 ? false : undefined,
      message: `${total} ${total === 1 ? "task waits" : "tasks wait"}`,
      details,
      ...(lonely.length > 0 && { hint }),
    },
  ];
}

/** What was asked for inside transactions and waits, or was refused within the last week. */
async function admissionsCheck({ store, now }: Connection): Promise<Check[]> {
  const { waiting = 0, oldest = null, refused = 0, reasons = [] } = (await store.admissions?.counts()) ?? {};
  if (waiting + refused === 0) return [];
  const wait = oldest === null ? "none wait" : `${waiting} wait, the oldest since ${agoText(oldest, now())}`;
  const details = reasons.map(({ workflowId, why }) => {
    const { message } = JSON.parse(why) as { readonly message: string };
    return `${workflowId}: ${plainLine(message)}`;
  });
  const late = oldest !== null && now() - oldest > UNADMITTED_MS;
  const hint = late ? { hint: "any running engine of the store admits them" } : {};
  return [
    { name: "transactions", ok: late ? false : undefined, message: `${wait}, ${refused} refused`, details, ...hint },
  ];
}

/** After this long a running engine has admitted everything, unless it waits for a run to end. */
const UNADMITTED_MS = 60_000;

/** Whether an engine of this machine has no process any more. Labels are `host:pid`. */
function isGone(label: string): boolean {
  const pid = label.startsWith(`${hostname()}:`) ? Number(label.slice(hostname().length + 1)) : Number.NaN;
  if (!Number.isSafeInteger(pid)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

const LISTED = 500;
const SHOWN = 10;

async function runsChecks(connection: Connection): Promise<Check[]> {
  const open = await connection.runs.list({ status: ["pending", "running", "paused"], limit: LISTED });
  const blocked = await connection.runs.list({ status: "blocked", limit: LISTED });
  const waiting = await Promise.all(open.slice(0, SHOWN).map((run) => waitText(connection, run)));
  const more = open.length > SHOWN ? [`… ${open.length - SHOWN} more`] : [];
  const checks: Check[] = [
    {
      name: "open runs",
      ok: open.length === 0 ? undefined : true,
      message: count(open.length),
      details: [...waiting, ...more],
    },
  ];
  if (blocked.length > 0) {
    const details = blocked
      .slice(0, SHOWN)
      .map(({ workflowId, blocked: why }) => `${workflowId}: ${plainLine(why?.message ?? "")}`);
    const hint = `when the cause is gone: perdure runs resume ${shellWord(blocked[0]!.workflowId)}`;
    checks.push({ name: "blocked runs", ok: false, message: count(blocked.length), details, hint });
  }
  return checks;
}

async function waitText(
  connection: Connection,
  { runId, workflowId, workflow, status }: RunDescription,
): Promise<string> {
  const { open } = await (await connection.handle(runId)).describe();
  const now = Date.now();
  const parts = open.map(({ step, due, running, held, lastError, queue, engine }) => {
    if (running) return `${step} runs${engine === undefined ? "" : ` on engine ${engine}`}`;
    if (queue !== undefined) return `${step} waits for an engine that serves queue ${queue}`;
    if (held) return `${step} is held back by a limit or a pause`;
    const until = due === undefined ? "" : ` until ${clockText(due, now)}`;
    return `${lastError === undefined ? "waits at" : "retries"} ${step}${until}`;
  });
  return `${workflowId} (${workflow}): ${parts.length === 0 ? status : parts.join(", ")}`;
}

function count(number: number): string {
  return number >= LISTED ? `${LISTED} or more` : number === 0 ? "none" : String(number);
}
