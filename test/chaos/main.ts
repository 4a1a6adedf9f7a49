/** `npm run chaos`: see docs/chaos.md. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { durationMs } from "../../src/core/duration.ts";
import { chaos, type Progress } from "./chaos.ts";
import { reportText, violationsText } from "./report.ts";

const USAGE = `npm run chaos -- [--minutes N] [--seed S] [--engines N] [--clients N] [--lanes N] [--ttl DURATION] [--keep] [--json]`;

/** Exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "1" },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      engines: { type: "string", default: "3" },
      clients: { type: "string", default: "2" },
      lanes: { type: "string", default: "12" },
      ttl: { type: "string", default: "3s" },
      keep: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const numbers = [values.minutes, values.seed, values.engines, values.clients, values.lanes].map(Number);
  if (values.help || numbers.some((value) => !(value >= 0))) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const [minutes, seed, engines, clients, lanes] = numbers as [number, number, number, number, number];
  const folder = mkdtempSync(join(tmpdir(), "perdure-chaos-"));
  mkdirSync(folder, { recursive: true });
  const { report, violations } = await chaos({
    seed,
    troubleMs: minutes * 60_000,
    engines,
    clients,
    lanes,
    atLeast: 0,
    ttlMs: durationMs(values.ttl as "3s", "--ttl"),
    folder,
    faults: true,
    ...(!values.json && { onProgress: display() }),
  });
  writeFileSync(join(folder, "report.json"), JSON.stringify({ report, violations }, undefined, 1));
  if (values.json) console.log(JSON.stringify({ ...report, evidence: violations }));
  else console.log(`\n${reportText(report)}`);
  if (violations.length > 0 && !values.json) console.log(`\n${violationsText(violations)}\n`);
  if (violations.length > 0 || values.keep) console.error(`logs, journals and evidence are in ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
  return violations.length > 0 ? 1 : 0;
}

/** One line that is written again and again on a terminal, else one every ten seconds; faults have lines of their own. */
function display(): (progress: Progress) => void {
  const live = process.stdout.isTTY === true;
  let shown = 0;
  let told = 0;
  return ({ phase, leftMs, begun, ended, runs, events, leasesLost, fault, faults }) => {
    const clear = live ? "\r\u001b[2K" : "";
    if (live && fault !== undefined && faults > shown)
      process.stdout.write(
        `${clear}${new Date(fault.at).toISOString().slice(11, 23)} ${fault.fault} of ${fault.target} ${fault.until - fault.at} ms ${fault.note ?? ""}\n`,
      );
    shown = faults;
    if (!live && Date.now() - told < 10_000) return;
    told = Date.now();
    const open = (runs.running ?? 0) + (runs.pending ?? 0) + (runs.paused ?? 0);
    const all = Object.values(runs).reduce((sum, count) => sum + count, 0);
    const left = phase === "trouble" ? ` ${Math.ceil(leftMs / 1000)} s left,` : "";
    const line = `${phase}:${left} scenarios ${ended}/${begun}, runs ${all} (${open} open), events ${events}, faults ${faults}, leases lost ${leasesLost}`;
    process.stdout.write(live ? `${clear}${line}` : `${line}\n`);
  };
}
