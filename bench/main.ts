/** `npm run bench`: measures workloads, prints what came out and, if asked to, fails when a target is missed. */
import { join } from "node:path";
import { type Arguments, readArguments, USAGE } from "./arguments.ts";
import { type Measurement, summarise } from "./measurement.ts";
import { reportProfiles } from "./profile-report.ts";
import { quietMoment } from "./quiet-moment.ts";
import { jsonLine, type Result, results, TABLE_HEAD, tableRow } from "./result.ts";
import { measureRound } from "./round.ts";
import type { Setting } from "./setting.ts";
import { placeIsInMemory } from "./store-place.ts";
import { meets, TOLERANCE } from "./targets.ts";
import type { Workload } from "./workloads/workload.ts";

await main();

async function main(): Promise<void> {
  let given: Arguments;
  try {
    given = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (given.store === "sqlite" && placeIsInMemory()) {
    process.stderr.write(
      "the temporary folder is in memory, where commits are free: set TMPDIR to a folder on a disk\n",
    );
  }
  if (given.profile) await profile(given);
  else await measure(given);
}

async function measure(given: Arguments): Promise<void> {
  if (!given.json) print(TABLE_HEAD);
  const missed: string[] = [];
  for (const workload of given.workloads) {
    for (const result of await measureWorkload(workload, given)) {
      print(given.json ? jsonLine(result) : tableRow(result));
      if (missesByFar(result)) missed.push(result.title);
    }
  }
  if (!given.check || missed.length === 0) return;
  process.stderr.write(`missed by more than ${TOLERANCE * 100}%: ${missed.join("; ")}\n`);
  process.exitCode = 1;
}

/** Rounds of the engine and of the bare design take turns, so that both see the same weather. */
async function measureWorkload(workload: Workload, given: Arguments): Promise<Result[]> {
  const compared = workload.bare && given.bare && given.store === "sqlite";
  const seen: Record<Setting["subject"], Measurement[][]> = { perdure: [], bare: [] };
  const count = given.rounds ?? (given.quick ? 1 : workload.rounds);
  for (let round = 0; round < count; round++) {
    for (const subject of compared ? (["perdure", "bare"] as const) : (["perdure"] as const)) {
      if (given.patient) await quietMoment();
      seen[subject].push(await measureRound({ ...settingOf(workload, given), subject }));
    }
  }
  return results(given.store, workload.titles, summarise(seen.perdure), summarise(seen.bare));
}

async function profile(given: Arguments): Promise<void> {
  for (const workload of given.workloads) {
    const folder = join(given.out, workload.name);
    await measureRound({ ...settingOf(workload, given), profile: folder });
    print(reportProfiles(folder));
  }
}

function settingOf(workload: Workload, given: Arguments): Setting {
  const { store, durability, quick, concurrency } = given;
  return { workload: workload.name, subject: "perdure", store, durability, quick, concurrency, profile: undefined };
}

function missesByFar({ measurement, target }: Result): boolean {
  return target !== undefined && !meets(measurement, target, TOLERANCE);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
