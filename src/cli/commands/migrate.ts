/** `perdure migrate`: the schema of the store. */
import { shownAddress } from "../../store/address.ts";
import { migrationStatusOf } from "../../store/migration-status.ts";
import { openStore } from "../../store/open.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { loadProject } from "../project.ts";
import { isoTime } from "../text/time-text.ts";

export const migrate: Command = {
  name: "migrate",
  summary: "bring the store to this version",
  usage: "[--status]",
  description: `Applies what is missing; a store that does not exist is made. Engines do the same when they open a store, unless they are told not
to; commands that only look or send do not.`,
  options: { status: { help: "only show what is applied and what is missing" } },
  examples: [
    ["perdure migrate --status", "look"],
    ["perdure migrate --store sqlite:/var/lib/app/runs.db", "apply"],
    ["perdure migrate --store postgres://owner@db/app", "apply as the role that owns the schema"],
  ],
  run: runMigrate,
};

async function runMigrate(invocation: Invocation): Promise<number> {
  const { args, terminal, json } = invocation;
  args.atMost(0);
  const { store: address } = await loadProject(invocation);
  const store = shownAddress(address);
  const before = await migrationStatusOf(address);
  if (before === undefined) {
    terminal.line(json ? JSON.stringify({ store, applied: [], pending: [] }) : `${store} needs no migrations`);
    return EXIT.ok;
  }
  if (!args.flag("status") && before.pending.length > 0) await (await openStore(address)).close();
  const state = (await migrationStatusOf(address)) ?? before;
  if (json) {
    const applied = state.applied.map(({ appliedAt, ...rest }) => ({ ...rest, appliedAt: isoTime(appliedAt) }));
    terminal.line(JSON.stringify({ store, applied, pending: state.pending }));
    return EXIT.ok;
  }
  const { bold, green, yellow, dim } = terminal.styles;
  terminal.line(bold(store));
  for (const { number, name, appliedAt } of state.applied)
    terminal.line(`${green("✔")} ${label(number)} ${name} ${dim(isoTime(appliedAt))}`);
  for (const { number, name } of state.pending)
    terminal.line(`${yellow("·")} ${label(number)} ${name} ${yellow("missing")}`);
  if (state.pending.length > 0) terminal.line(dim("perdure migrate applies what is missing"));
  return EXIT.ok;
}

function label(number: number): string {
  return String(number).padStart(4, "0");
}
