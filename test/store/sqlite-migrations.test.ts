import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { migrationStatus, openSqliteStore } from "../../src/store/index.ts";
import { checksum } from "../../src/store/migration-state.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { MIGRATIONS } from "../../src/store/sqlite/migrations/index.ts";
import { scratchFile } from "./scratch.ts";

async function migrated(): Promise<string> {
  const path = scratchFile();
  await (await openSqliteStore({ path })).close();
  return path;
}

function change(path: string, sql: string): void {
  const db = openConnection(path);
  db.exec(sql);
  db.close();
}

/** A database as the version with this many migrations left it, with one run. */
function olderDatabase(migrations: number): string {
  const path = scratchFile();
  const db = openConnection(path);
  db.exec("create table migrations (number integer primary key, name text, checksum text, applied_at integer)");
  for (const migration of MIGRATIONS.slice(0, migrations)) {
    db.exec(migration.sql);
    const row = [migration.number, migration.name, checksum(migration), 1];
    db.prepare("insert into migrations values (?, ?, ?, ?)").run(row);
  }
  db.exec(`
    insert into meta (key, value) values ('id', 'abcdef'), ('next_run', 1025);
    insert into workflow_runs (run, workflow_id, workflow, status, inbox, created_at)
      values (7, 'a', 'order', 'running', 4, 1);
    insert into events values (7, 1, 'RunStarted', 1, '{}');
    insert into message_keys values (7, 'k', 4);
    insert into attempts (run, command, kind, name, attempt, first_at) values (7, 1, 'activity', 'charge', 1, 1);
  `);
  db.close();
  return path;
}

describe("migrations", () => {
  it("never change once they are released", () => {
    expect(MIGRATIONS.map((migration) => [migration.number, migration.name, checksum(migration)])).toMatchSnapshot();
  });

  it("are numbered from one without gaps", () => {
    expect(MIGRATIONS.map(({ number }) => number)).toEqual(MIGRATIONS.map((_, index) => index + 1));
  });

  it("are all pending for a file that is not there, which is not made by asking", () => {
    const path = scratchFile();
    const { applied, pending } = migrationStatus(path);
    expect(applied).toEqual([]);
    expect(pending).toEqual(MIGRATIONS.map(({ number, name }) => ({ number, name })));
    expect(existsSync(path)).toBe(false);
  });

  it("are recorded when applied and not applied twice", async () => {
    const path = await migrated();
    await (await openSqliteStore({ path })).close();
    const { applied, pending } = migrationStatus(path);
    expect(applied.map(({ number }) => number)).toEqual(MIGRATIONS.map(({ number }) => number));
    expect(pending).toEqual([]);
  });

  it("bring an older database up to date with what is in it", async () => {
    const path = olderDatabase(2);
    expect(migrationStatus(path).pending).toEqual(MIGRATIONS.slice(2).map(({ number, name }) => ({ number, name })));
    const store = await openSqliteStore({ path });
    expect(migrationStatus(path).pending).toEqual([]);
    const [loaded] = await store.load([7], 9);
    expect(loaded).toMatchObject({ row: { run: 7, chain: 7, parent: null, tags: null, progress: null, inbox: 4 } });
    expect(loaded?.attempts).toHaveLength(1);
    expect(await store.send({ run: 7, kind: "signal", name: "n", data: "1", at: 1, key: "k" })).toEqual({ number: 4 });
    expect(await store.forgetAnswers(Date.now() - 3_600_000, 9)).toBe(0);
    await store.close();
  });

  it("refuse a database of a newer version", async () => {
    const path = await migrated();
    change(path, "insert into migrations values (99, 'from-the-future', 'x', 1)");
    const expected = { code: "INCOMPATIBLE_STORE", message: expect.stringContaining("from-the-future") };
    await expect(openSqliteStore({ path })).rejects.toMatchObject(expected);
    expect(() => migrationStatus(path)).toThrow(expect.objectContaining(expected));
  });

  it("refuse a database made by another text of a migration", async () => {
    const path = await migrated();
    change(path, "update migrations set checksum = 'other' where number = 1");
    await expect(openSqliteStore({ path })).rejects.toMatchObject({ code: "INCOMPATIBLE_STORE" });
  });
});
