import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { migrationStatus, openSqliteStore } from "../../src/store/index.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { checksum } from "../../src/store/sqlite/migrate.ts";
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

describe("migrations", () => {
  it("never change once they are released", () => {
    expect(MIGRATIONS.map((migration) => [migration.number, migration.name, checksum(migration)])).toMatchSnapshot();
  });

  it("are numbered from one without gaps", () => {
    expect(MIGRATIONS.map(({ number }) => number)).toEqual(MIGRATIONS.map((_, index) => index + 1));
  });

  it("are all pending for a file that is not there, which is not made by asking", () => {
    const path = scratchFile();
    expect(migrationStatus(path)).toMatchObject({ applied: [], pending: [{ number: 1, name: "initial" }, {}] });
    expect(existsSync(path)).toBe(false);
  });

  it("are recorded when applied and not applied twice", async () => {
    const path = await migrated();
    await (await openSqliteStore({ path })).close();
    const { applied, pending } = migrationStatus(path);
    expect(applied.map(({ number }) => number)).toEqual(MIGRATIONS.map(({ number }) => number));
    expect(pending).toEqual([]);
  });

  it("bring an older database up to date", async () => {
    const path = await migrated();
    change(
      path,
      "drop view runs; drop view stages; drop view decisions; drop view checkpoints; delete from migrations where number = 2",
    );
    expect(migrationStatus(path).pending).toEqual([{ number: 2, name: "views" }]);
    await (await openSqliteStore({ path })).close();
    expect(migrationStatus(path).pending).toEqual([]);
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
