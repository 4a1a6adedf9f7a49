/** `npm run bench`: measures workloads, prints what came out and, if asked to, fails when a target is missed. */
import { join } from "node:path";
import { type Arguments, readArguments, USAGE } from "./arguments.ts";
import { type Measurement, summarise } from "./measurement.ts";
import { comparePeers } from "./peers/compare.ts";
import { PostgresServer } from "./postgres-server.ts";
import { reportProfiles } from "./profile-report.ts";
import { quietMoment } from "./quiet-moment.ts";
import { jsonLine, type Result, results, TABLE_HEAD, tableRow } from "./result.ts";
import { measureRound } from "./round.ts";
import { measureScaling } from "./scaling/scaling.ts";
import type { Setting } from "./setting.ts";
import { placeIsInMemory, removeFolder } from "./store-place.ts";
import { meets, TOLERANCE } from "./targets.ts";
import type { Workload } from "./workloads/workload.ts";

const [first, ...rest] = process.argv.slice(2);
if (first === "scaling") await measureScaling(rest);
else if (first === "peers") await comparePeers(rest);
else await main();

async function main(): Promise<void> {
  let given: Arguments;
  try {
    given = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  if (given.store !== "memory" && given.server === undefined && placeIsInMemory()) {
    process.stderr.write(
      "the temporary folder is in memory, where commits are free: set TMPDIR to a folder on a disk\n",
    );
  }
  await using own = given.store === "postgres" && given.server === undefined ? await PostgresServer.start() : undefined;
  const server = given.server ?? own?.url;
  if (given.profile) await profile(given, server);
  else await measure(given, server);
}

async function measure(given: Arguments, server: string | undefined): Promise<void> {
  if (!given.json) print(TABLE_HEAD);
  const missed: string[] = [];
  for (const workload of given.workloads) {
    for (const result of await measureWorkload(workload, given, server)) {
      print(given.json ? jsonLine(result) : tableRow(result));
      if (missesByFar(result)) missed.push(result.title);
    }
  }
  if (!given.check || missed.length === 0) return;
  process.stderr.write(`missed by more than ${TOLERANCE * 100}%: ${missed.join("; ")}\n`);
  process.exitCode = 1;
}

/** Rounds of the engine and of the bare design take turns, so that both see the same weather. */
async function measureWorkload(workload: Workload, given: Arguments, server: string | undefined): Promise<Result[]> {
  const compared = workload.bare && given.bare && given.store !== "memory";
  const seen: Record<Setting["subject"], Measurement[][]> = { perdure: [], bare: [] };
  const count = given.rounds ?? (given.quick ? 1 : workload.rounds);
  for (let round = 0; round < count; round++) {
    for (const subject of compared ? (["perdure", "bare"] as const) : (["perdure"] as const)) {
      if (given.patient) await quietMoment();
      const setting = { ...settingOf(workload, given, server), subject };
      const [first] = seen[subject];
      // The best concurrency of the first round is the one that counts.
      if (first !== undefined) seen[subject].push(await measureRound({ ...setting, ...bestOf(workload, first) }));
      else seen[subject].push(onlyBest(workload, await measureRound(setting)));
    }
  }
  return results(given.store, workload.titles, summarise(seen.perdure), summarise(seen.bare));
}

function onlyBest(workload: Workload, measured: Measurement[]): Measurement[] {
  return workload.bestConcurrency ? summarise([measured]) : measured;
}

function bestOf({ bestConcurrency }: Workload, [first]: readonly Measurement[]): Pick<Setting, "concurrency"> | object {
  return bestConcurrency ? { concurrency: first!.concurrency } : {};
}

async function profile(given: Arguments, server: string | undefined): Promise<void> {
  for (const workload of given.workloads) {
    const folder = join(given.out, workload.name);
    removeFolder(folder);
    await measureRound({ ...settingOf(workload, given, server), profile: folder });
    print(reportProfiles(folder));
  }
}

function settingOf(workload: Workload, given: Arguments, server: string | undefined): Setting {
  const { store, durability, quick, concurrency } = given;
  const how = { store, server, durability, quick, concurrency, profile: undefined };
  return { workload: workload.name, subject: "perdure", ...how };
}

function missesByFar({ measurement, target }: Result): boolean {
  return target !== undefined && !meets(measurement, target, TOLERANCE);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
