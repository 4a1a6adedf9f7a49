/** Every PostgreSQL that is found here runs a bit of everything; the whole suite runs against any of them when asked to, see docs/postgres.md. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { activity, open, signal, workflow } from "../../src/index.ts";
import { audit } from "./audit.ts";
import { PostgresServer } from "./server.ts";
import { ask } from "./subject.ts";

const INSTALLED = "/usr/lib/postgresql";
/** Folders of binaries; the first is the one all other tests use. */
const found: [place: string, bin?: string][] = [
  ["the tests' own place"],
  ...(existsSync(INSTALLED) ? readdirSync(INSTALLED) : [])
    .filter((version) => Number(version) >= 14)
    .map((version) => join(INSTALLED, version, "bin"))
    .filter((bin) => existsSync(join(bin, "initdb")))
    .map((bin): [string, string] => [bin, bin]),
];

const add = activity("add", async ([a, b]: [number, number]) => a + b);
const go = signal<number>("go");
const child = workflow("child", async (wf, n: number) => wf.call(add, [n, 1]));
const all = workflow("all", async (wf, n: number) => {
  const given = (await wf.waitFor(go)) as number;
  await wf.sleep("1ms");
  const [row] = await wf.transaction("book", async (tx) => tx.query("select $1::integer + 1 as more", [n]));
  return [given, row];
});

describe.each(found)("PostgreSQL in %s", (_, bin) => {
  it("runs engines that share runs, and the views show them", { timeout: 30_000 }, async () => {
    await using server = await PostgresServer.start({ fsync: false, ...(bin !== undefined && { bin }) });
    const options = { store: server.url, workflows: [child, all], logger: silentLogger };
    const [one, two] = [await open(options), await open(options)];
    const runs = await Promise.all(Array.from({ length: 10 }, (_, n) => one.start(all, n, { id: `all-${n}` })));
    const children = await Promise.all(Array.from({ length: 10 }, (_, n) => two.start(child, n, { id: `child-${n}` })));
    for (const { workflowId } of runs) await (await two.handle(workflowId)).signal(go, 5);
    expect(await Promise.all(runs.map((run) => run.result()))).toEqual(runs.map((_, n) => [5, { more: n + 1 }]));
    expect(await Promise.all(children.map((run) => run.result()))).toEqual(children.map((_, n) => n + 1));
    await Promise.all([one.close(), two.close()]);
    expect(await audit(server.url, "perdure")).toEqual([]);
    const [version] = await ask(server.url, "select current_setting('server_version_num')::integer / 10000 as major");
    console.log(`tried with PostgreSQL ${version!.major}`);
    const stages = "select kind, status, count(*)::int as n from perdure.stages group by 1, 2 order by 1";
    expect(await ask(server.url, stages)).toEqual([
      { kind: "activity", status: "completed", n: 10 },
      { kind: "timer", status: "completed", n: 10 },
      { kind: "transaction", status: "completed", n: 10 },
      { kind: "wait", status: "completed", n: 10 },
    ]);
  });
});
