/** Copies of a SQLite store made while engines work, put in its place, and engines on top of them. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Perdure } from "../../src/index.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { finishOrders, SteadyLoad, World } from "../postgres/steady-load.ts";

const page = (name: string): string => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8");
/** What the documentation says to do before engines start on a restored store. */
const AFTER_RESTORE = /```sqlite\n(update meta[\s\S]*?)```/.exec(page("production"))![1]!;
const VACUUM = /```sql\n(vacuum into 'backup.db')/.exec(page("recovery"))![1]!;

let folder: string;
let world: World;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perdure-backup-"));
  world = new World();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function engines(file: string): Promise<Perdure[]> {
  const opened = await Promise.all([1, 2].map(() => world.open(`sqlite:${file}`, { leaseTtl: "500ms" })));
  for (const engine of opened) onTestFinished(() => engine.close());
  return opened;
}

function run(file: string, sql: string): (string | number | null)[][] {
  const db = openConnection(file);
  try {
    // Two engines are writing: without it a statement gives up at the first lock it meets.
    db.exec("pragma busy_timeout = 25000");
    return db.prepare(sql).all([]);
  } finally {
    db.close();
  }
}

const ways: [name: string, there: boolean, copy: (from: string, to: string) => void][] = [
  ["vacuum into", true, (from, to) => void run(from, VACUUM.replace("backup.db", to))],
  [
    ".backup",
    spawnSync("sqlite3", ["-version"]).status === 0,
    (from, to) => void execFileSync("sqlite3", ["-cmd", ".timeout 25000", from, `.backup '${to}'`]),
  ],
];

describe.each(ways)("a copy by %s", (_, there, copy) => {
  it.skipIf(!there)(
    "holds every run that was acknowledged before, and goes on from there",
    { timeout: 60_000 },
    async () => {
      const [file, backup] = [join(folder, "app.db"), join(folder, "backup.db")];
      const first = await engines(file);
      const load = new SteadyLoad(world, first, "before");
      await load.more(40);
      const acknowledged = [...load.started];
      copy(file, backup);
      await load.more(40);
      await load.stop();
      await Promise.all(first.map((engine) => engine.close()));

      // Another file under the same name: libsql closes the connections of this process when their statements are collected.
      renameSync(backup, file);
      for (const rest of ["-wal", "-shm"]) if (existsSync(`${file}${rest}`)) rmSync(`${file}${rest}`);
      expect(run(file, "pragma integrity_check")).toEqual([["ok"]]);
      run(file, AFTER_RESTORE);
      const heirs = await engines(file);
      const again = new SteadyLoad(world, heirs, "after");
      await again.more(40);
      await again.stop();
      const runs = await finishOrders(heirs[0]!);
      for (const id of [...acknowledged, ...again.started]) expect(runs.get(id), id).toBe("completed");
      expect([...new Set(runs.values())]).toEqual(["completed"]);
      expect(load.started.filter((id) => !runs.has(id)).length).toBeGreaterThan(10);
      expect(world.ambiguous).toEqual([]);
    },
  );
});
