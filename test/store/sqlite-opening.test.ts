import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { connect, open } from "../../src/index.ts";
import { createMemoryStore, migrationStatus, openSqliteStore, openStore } from "../../src/store/index.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { scratchFile } from "./scratch.ts";

function change(path: string, sql: string): void {
  const db = openConnection(path);
  db.exec(sql);
  db.close();
}

describe("opening a SQLite store", () => {
  it("makes the folder and the file for their owner only", async () => {
    const path = join(scratchFile("new"), "deep", "store.db");
    const store = await openSqliteStore({ path });
    await store.register({ label: "x", at: 1 });
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    for (const file of [path, `${path}-wal`, `${path}-engine-1`]) expect(statSync(file).mode & 0o777).toBe(0o600);
    await store.close();
  });

  it("commits through to the disk and reads that setting back (rule 17)", async () => {
    const path = scratchFile();
    for (const durability of ["full", "relaxed"] as const) {
      const store = await openSqliteStore({ path, durability });
      expect(store.durability).toBe(durability);
      await store.close();
    }
    const store = await openSqliteStore({ path });
    expect(store.durability).toBe("full");
    await store.close();
  });

  it("changes nothing when it is only to be looked into, and is not there, empty, older or something else's", async () => {
    const look = (path: string): Promise<unknown> => connect({ store: path });
    const missing = join(scratchFile("no-folder"), "store.db");
    await expect(look(missing)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/there is no store at .*perdure migrate/),
    });
    expect(existsSync(dirname(missing))).toBe(false);
    const empty = scratchFile("empty.db");
    writeFileSync(empty, "");
    const foreign = scratchFile("foreign.db");
    change(foreign, "create table mine (n integer)");
    const made = scratchFile("made.db");
    await (await openSqliteStore({ path: made })).close();
    const { applied } = migrationStatus(made);
    change(made, `delete from migrations where number = ${applied.length}; pragma wal_checkpoint(truncate)`);
    // A file that nothing in this process has open: libsql closes a connection when its statements are collected.
    const older = scratchFile("older.db");
    copyFileSync(made, older);
    for (const [path, message] of [
      [empty, /there is no store/],
      [foreign, /something else/],
      [older, /older version.* migration \d.*Run "perdure migrate"/],
    ] as const) {
      const before = readFileSync(path);
      await expect(look(path)).rejects.toMatchObject({ message: expect.stringMatching(message) });
      await expect(open({ store: path, migrate: false })).rejects.toMatchObject({
        message: expect.stringMatching(message),
      });
      expect(readFileSync(path).equals(before), path).toBe(true);
    }
  });

  it("says which path is a folder, or lies where no folder can be", async () => {
    const folder = scratchFile("folder");
    mkdirSync(folder);
    await expect(openSqliteStore({ path: folder })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(folder),
    });
    const file = scratchFile("file");
    writeFileSync(file, "");
    await expect(openSqliteStore({ path: join(file, "x.db") })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  it("refuses files that are no database, and databases of something else", async () => {
    const text = scratchFile("notes.txt");
    writeFileSync(text, "Dear diary, ".repeat(1000));
    const expected = { code: "INCOMPATIBLE_STORE", message: expect.stringContaining(text) };
    await expect(openSqliteStore({ path: text })).rejects.toMatchObject(expected);
    const foreign = scratchFile("foreign.db");
    const db = openConnection(foreign);
    db.exec("create table users (id integer)");
    db.close();
    await expect(openSqliteStore({ path: foreign })).rejects.toMatchObject({ code: "INCOMPATIBLE_STORE" });
  });

  it("answers UNAVAILABLE to everything once it is closed", async () => {
    const store = await openSqliteStore({ path: ":memory:" });
    const pending = store.engines();
    await store.close();
    await store.close();
    expect(await pending).toEqual([]);
    await expect(store.engines()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await expect(store.send({ run: 1, kind: "signal", name: "n", data: "1", at: 1, key: null })).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  it("can be opened by several at once the very first time", async () => {
    const path = scratchFile();
    const stores = await Promise.all(Array.from({ length: 4 }, () => openSqliteStore({ path })));
    expect(new Set(stores.map(({ id }) => id)).size).toBe(1);
    await Promise.all(stores.map((store) => store.close()));
  });
});

describe("store addresses", () => {
  it("name SQLite files with or without a scheme", async () => {
    const path = scratchFile();
    for (const address of [path, `sqlite:${path}`, `sqlite://${path}`]) {
      const store = await openStore(address);
      expect(store).toMatchObject({ kind: "sqlite", path });
      await store.close();
    }
  });

  it("name stores in memory", async () => {
    expect((await openStore("memory:")).kind).toBe("memory");
    const store = await openStore("sqlite::memory:");
    expect(store.kind).toBe("sqlite");
    await store.close();
    expect(createMemoryStore({ id: "fixed" }).id).toBe("fixed");
  });

  it("are refused when there is no such store", async () => {
    for (const address of ["mysql:x", "sqlite:", ""]) {
      await expect(openStore(address)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });
});
