/** The thread of the bare design: one connection, one transaction per message. */
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { type Flat, RECORD, type ThreadInput } from "./protocol.ts";

interface Database {
  exec(sql: string): void;
  prepare(sql: string): { run(...parameters: readonly (string | number)[]): unknown };
}

const { path, durability } = workerData as ThreadInput;
const db = openWithTheEnginesDriver(path);
db.exec("pragma journal_mode = wal");
db.exec(`pragma synchronous = ${durability === "full" ? "full" : "normal"}`);
db.exec(`
  create table runs (run integer primary key, workflow_id text unique, input text, status text default 'running', result text);
  create table events (run integer, seq integer, type text, at integer, data text, primary key (run, seq)) without rowid;
`);
const begin = db.prepare("begin immediate");
const commit = db.prepare("commit");
const insertRun = db.prepare("insert into runs (run, workflow_id, input) values (?, ?, ?)");
const insertEvent = db.prepare("insert into events values (?, ?, ?, ?, ?)");
const endRun = db.prepare("update runs set status = 'completed', result = ? where run = ?");

parentPort!.on("message", (batch: Flat) => {
  begin.run();
  for (let at = 1; at < batch.length; at = write(batch, at));
  commit.run();
  parentPort!.postMessage(batch[0]);
});

/** Writes the record that begins at `at` and returns where the next one begins. */
function write(batch: Flat, at: number): number {
  switch (batch[at]) {
    case RECORD.event:
      insertEvent.run(batch[at + 1]!, batch[at + 2]!, batch[at + 3]!, batch[at + 4]!, batch[at + 5]!);
      return at + 6;
    case RECORD.runStarted:
      insertRun.run(batch[at + 1]!, batch[at + 2]!, batch[at + 3]!);
      return at + 4;
    default:
      endRun.run(batch[at + 2]!, batch[at + 1]!);
      return at + 3;
  }
}

/** The comparison is only fair with the driver that the engine would take on this Node. */
function openWithTheEnginesDriver(file: string): Database {
  const builtin = (process as { getBuiltinModule?: (id: string) => unknown }).getBuiltinModule?.("node:sqlite");
  if (builtin !== undefined)
    return new (builtin as { DatabaseSync: new (file: string) => Database }).DatabaseSync(file);
  const Libsql = createRequire(import.meta.url)("libsql") as new (file: string) => Database;
  return new Libsql(file);
}
