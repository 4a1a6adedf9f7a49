/** Backups taken while engines work, restored into a fresh server, and engines on top of them: runs go on as if nothing had happened. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { connect, type Perdure } from "../../src/index.ts";
import { audit } from "./audit.ts";
import { PostgresServer } from "./server.ts";
import { finishOrders, SteadyLoad, World } from "./steady-load.ts";
import { ask } from "./subject.ts";

const exec = promisify(execFile);

/** Folder of pg_dump and of the server of its version, if both are installed. */
const TOOLS = (() => {
  const { stdout } = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" });
  const folder = stdout?.trim();
  const there = (name: string): boolean => spawnSync(join(folder, name), ["--version"]).status === 0;
  return folder && ["pg_dump", "pg_restore", "pg_basebackup", "postgres"].every(there) ? folder : undefined;
})();
const title = TOOLS === undefined ? "backups (skipped: pg_dump and its server are not installed here)" : "backups";

const page = readFileSync(new URL("../../docs/production.md", import.meta.url), "utf8");
/** What the documentation says to do before engines start on a restored store. */
const AFTER_RESTORE = /```psql\n(select setval[\s\S]*?)```/.exec(page)![1]!;

let folder: string;
let world: World;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perdure-backup-"));
  world = new World();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function engines(server: PostgresServer, count = 2): Promise<Perdure[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => world.open(server.url, { leaseTtl: "1s" })));
  for (const engine of opened) onTestFinished(() => engine.close().catch(() => undefined));
  return opened;
}

async function server(options: Parameters<typeof PostgresServer.start>[0] = {}): Promise<PostgresServer> {
  const started = await PostgresServer.start({ bin: TOOLS!, fsync: false, ...options });
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

/** The server dies under its engines, which take a while to give up. */
async function disaster(server: PostgresServer, load: SteadyLoad, running: readonly Perdure[]): Promise<void> {
  await server.stop("immediate");
  await Promise.all([load.stop(), ...running.map((engine) => engine.close().catch(() => undefined))]);
}

/** Goes on with a restored store: what was in it ends, new runs come, and nothing is wrong with the tables. */
async function goesOn(restored: PostgresServer): Promise<ReadonlyMap<string, unknown>> {
  await ask(restored.url, AFTER_RESTORE);
  const heirs = await engines(restored);
  const load = new SteadyLoad(world, heirs, "after");
  await load.more(30);
  await load.stop();
  const runs = await finishOrders(heirs[0]!);
  for (const id of load.started) expect(runs.get(id)).toBe("completed");
  expect([...new Set(runs.values())]).toEqual(["completed"]);
  await Promise.all(heirs.map((engine) => engine.close()));
  // Outcomes of children are messages with numbers, too, so what is asked about numbers does not fit these runs.
  const problems = await audit(restored.url, "perdure");
  expect(problems.filter((problem) => !problem.includes("every message is in a history"))).toEqual([]);
  expect(world.ambiguous).toEqual([]);
  return runs;
}

describe.skipIf(TOOLS === undefined)(title, { timeout: 60_000 }, () => {
  it("by pg_dump hold every run that was acknowledged before, and the rest is done again", async () => {
    const first = await server();
    const running = await engines(first);
    const load = new SteadyLoad(world, running, "before");
    await load.more(40);
    const acknowledged = [...load.started];
    const file = join(folder, "shop.dump");
    await exec(join(TOOLS!, "pg_dump"), ["--format=custom", "--schema=perdure", `--file=${file}`, first.url]);
    await load.more(40);
    const gone = disaster(first, load, running);

    const second = await server();
    await exec(join(TOOLS!, "pg_restore"), ["--exit-on-error", `--dbname=${second.url}`, file]);
    const runs = await goesOn(second);
    for (const id of acknowledged) expect(runs.get(id), id).toBe("completed");
    expect(load.started.filter((id) => !runs.has(id)).length).toBeGreaterThan(10);
    await gone;
  });

  it("by base backup and archived WAL hold every run up to the point in time that was asked for", async () => {
    const archive = { archive_mode: "on", archive_command: "mkdir -p ../archive && cp %p ../archive/%f" };
    const first = await server({ settings: archive });
    const running = await engines(first);
    const load = new SteadyLoad(world, running, "before");
    await load.more(30);
    const copy = join(folder, "base");
    await exec(join(TOOLS!, "pg_basebackup"), ["--pgdata", copy, "--checkpoint=fast", "--dbname", first.url]);
    await load.more(40);
    const acknowledged = [...load.started];
    await ask(first.url, "select pg_create_restore_point('lunch')");
    await load.more(40);
    const [last] = await ask(first.url, "select pg_walfile_name(pg_switch_wal()) as name");
    const archived = "select count(*)::int as n from pg_stat_archiver where last_archived_wal >= $1";
    while ((await ask(first.url, archived, [last!.name]))[0]!.n === 0) await pass(20);
    const gone = disaster(first, load, running);

    const second = await server({
      from: copy,
      files: { "recovery.signal": "" },
      settings: {
        restore_command: `cp ${first.folder}/archive/%f %p`,
        recovery_target_name: "lunch",
        recovery_target_action: "promote",
      },
    });
    while ((await ask(second.url, "select pg_is_in_recovery() as yes"))[0]!.yes === true) await pass(20);
    const runs = await goesOn(second);
    for (const id of acknowledged) expect(runs.get(id), id).toBe("completed");
    expect(load.started.filter((id) => !runs.has(id)).length).toBeGreaterThan(10);
    await gone;
  });

  it("by a synchronous standby hold everything that was acknowledged, and it can be read from meanwhile", async () => {
    const first = await server({ settings: { synchronous_standby_names: "standby" } });
    const copy = join(folder, "base");
    await exec(join(TOOLS!, "pg_basebackup"), ["--pgdata", copy, "--checkpoint=fast", "--dbname", first.url]);
    const port = new URL(first.url).port;
    const second = await server({
      from: copy,
      files: { "standby.signal": "" },
      settings: { primary_conninfo: `host=127.0.0.1 port=${port} user=perdure application_name=standby` },
    });
    const running = await engines(first);
    const load = new SteadyLoad(world, running, "before");
    await load.more(40);

    const reader = await connect({ store: `${second.url}?listen=false` });
    onTestFinished(() => reader.close());
    const [some] = await reader.runs.list({ workflow: "order", status: "completed", limit: 1 });
    expect((await (await reader.handle(some!.workflowId)).history()).at(-1)!.type).toBe("RunCompleted");
    await expect((await reader.handle("before-0")).signal("go", 1)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("leads to a standby, engines need the primary"),
    });
    await expect(world.open(second.url)).rejects.toMatchObject({ code: "UNAVAILABLE" });

    const acknowledged = [...load.started];
    const gone = disaster(first, load, running);
    await ask(second.url, "select pg_promote()");
    const runs = await goesOn(second);
    for (const id of acknowledged) expect(runs.get(id), id).toBe("completed");
    await gone;
  });
});
