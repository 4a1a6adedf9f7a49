/** What connections cost the server: how many there are, and the memory of the processes behind them where it can be seen. */
import { readFileSync } from "node:fs";
import { ask } from "../postgres-server.ts";

export interface Connections {
  readonly connections: number;
  /** Memory of a connection's process that is not shared with others, in MB; undefined for a server on another machine. */
  readonly mbPerConnection: number | undefined;
}

/** The connections of engines to a database. */
export async function connectionsOf(address: string): Promise<Connections> {
  const rows = await ask<{ pid: number }>(
    address,
    "select pid from pg_stat_activity where datname = current_database() and application_name = 'perdure'",
  );
  const memory = rows.map(({ pid }) => privateMb(pid)).filter((mb) => mb !== undefined);
  const mbPerConnection =
    memory.length < rows.length || memory.length === 0
      ? undefined
      : memory.reduce((sum, mb) => sum + mb, 0) / memory.length;
  return { connections: rows.length, mbPerConnection };
}

function privateMb(pid: number): number | undefined {
  try {
    if (!readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("postgres")) return undefined;
    const lines = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").matchAll(/^Private_\w+:\s+(\d+) kB/gm);
    return [...lines].reduce((sum, [, kb]) => sum + Number(kb) / 1000, 0);
  } catch {
    return undefined;
  }
}
