import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { openSqliteStore } from "../../src/store/index.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { newScene } from "../../src/testing/store-conformance/scene.ts";
import { scratchFile } from "./scratch.ts";
import { lockRefused } from "./waiting-thread.ts";

interface Report {
  readonly engine: number;
  readonly commits: number;
}

/** Another process with an engine on the same file: it starts runs until it is told to stop, and reports then. */
function otherProcess(path: string): ChildProcess {
  return fork(new URL("./other-process.mjs", import.meta.url), [path], { execArgv: [] });
}

async function message<T>(child: ChildProcess): Promise<T> {
  const [received] = await once(child, "message");
  return received as T;
}

describe("several processes on one SQLite file", () => {
  it("leave no sidecar file behind, even when whoever swept a dead one died before it came to the file", async () => {
    const path = scratchFile();
    await (await openSqliteStore({ path })).close();
    writeFileSync(`${path}-engine-7`, "");
    const store = await openSqliteStore({ path });
    const { engine } = await store.register({ label: "x", at: 1 });
    const left = readdirSync(dirname(path));
    expect(left).toContain(`store.db-engine-${engine}`);
    expect(left).not.toContain("store.db-engine-7");
    await store.close();
  });

  it("all get their turn while others commit without a pause (rule 22)", async () => {
    const path = scratchFile();
    const store = await openSqliteStore({ path });
    const child = otherProcess(path);
    await message(child);
    const scene = await newScene(store);
    const waits: number[] = [];
    for (let turn = 0; turn < 20; turn++) {
      const before = performance.now();
      await scene.start();
      expect(await store.renew(scene.lease)).toBe(true);
      waits.push(performance.now() - before);
    }
    child.send("stop");
    const { commits } = await message<Report>(child);
    expect(commits).toBeGreaterThan(0);
    expect(await store.list({ limit: 5000 })).toHaveLength(commits + 20);
    expect(Math.max(...waits)).toBeLessThan(2000);
    await store.close();
  });

  it("sweep one that was killed at once, without waiting for its lease to expire", async () => {
    const path = scratchFile();
    const store = await openSqliteStore({ path });
    const child = otherProcess(path);
    const { engine } = await message<Report>(child);
    const sweep = (): Promise<number> => store.sweep({ ttlMs: 3_600_000, monotonicMs: 0, at: 9 });
    expect(await sweep()).toBe(0);
    expect((await store.engines()).map((row) => row.engine)).toEqual([engine]);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(await sweep()).toBeGreaterThan(0);
    expect(await store.engines()).toEqual([]);
    expect((await store.list({ limit: 1 }))[0]).toMatchObject({ owner: null, wakeAt: 9, crashes: 1 });
    expect(readdirSync(dirname(path)).filter((name) => name.includes("engine"))).toEqual([]);
    await store.close();
  });

  it("leave an engine of their own process to its renewals, and its file in place", async () => {
    const path = scratchFile();
    const [mine, other] = [await openSqliteStore({ path }), await openSqliteStore({ path })];
    const lease = await mine.register({ label: "mine", at: 1 });
    expect(await other.sweep({ ttlMs: 10, monotonicMs: 0, at: 5 })).toBe(0);
    expect(await mine.renew(lease)).toBe(true);
    expect(existsSync(`${path}-engine-${lease.engine}`)).toBe(true);
    await mine.release(lease, 6);
    expect(existsSync(`${path}-engine-${lease.engine}`)).toBe(false);
    await Promise.all([mine.close(), other.close()]);
  });

  it("never see that the database is locked: they wait (rule 22)", async () => {
    const path = scratchFile();
    const store = await openSqliteStore({ path });
    const scene = await newScene(store);
    const run = await scene.start();
    const db = openConnection(path);
    db.exec("begin immediate");
    const sending = store.send({ run, kind: "signal", name: "n", data: "1", at: 1, key: null });
    const found = await Promise.race([sending, lockRefused()]);
    db.exec("commit");
    db.close();
    expect(found).toBe("waiting");
    expect(await sending).toEqual({ number: 1 });
    await store.close();
  });
});
