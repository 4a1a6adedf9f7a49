/**
 * A program and everything it starts, ended together. On POSIX the program leads a process group of its own, so that one
 * signal reaches its children too; on Windows `taskkill /t` does the same.
 *
 * Owner: one call of a command agent. Invariants: a group that was started is known here until it is empty; when this
 * process exits, whatever is still known is killed.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

/** Time between the polite signal and the final one. */
const GRACE_MS = 2000;
/** How long the operating system may take to clear away what was killed. */
const CLEARING_MS = 500;
const POLL_MS = 15;
/** A group that outlives SIGTERM this long may be dead and merely not collected; see {@link onlyZombies}. */
const ZOMBIES_MS = 60;
const WINDOWS = process.platform === "win32";

const living = new Set<number>();

function killAll(): void {
  for (const pid of living) sendSignal(pid, "SIGKILL");
}

/** What to start: a program without a shell, its arguments, folder and environment. */
export interface ProgramStart {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** Starts a program as the leader of its own group. A program that cannot be started emits `error`, as `spawn` does. */
export function startGroup(start: ProgramStart): ChildProcessWithoutNullStreams {
  const child = spawn(start.program, start.args, {
    ...(start.cwd !== undefined && { cwd: start.cwd }),
    env: start.env,
    stdio: ["pipe", "pipe", "pipe"],
    detached: !WINDOWS,
    windowsHide: true,
  });
  if (child.pid !== undefined) {
    if (living.size === 0) process.once("exit", killAll);
    living.add(child.pid);
  }
  return child;
}

/** Ends what is left of a group: SIGTERM, after a grace SIGKILL. Resolves when nothing of it runs any more. */
export async function endGroup(pid: number): Promise<void> {
  const begun = performance.now();
  let killed = false;
  sendSignal(pid, "SIGTERM");
  while (isAlive(pid)) {
    const waited = performance.now() - begun;
    if (waited > ZOMBIES_MS && onlyZombies(pid)) break;
    if (waited > GRACE_MS + CLEARING_MS) break;
    if (waited > GRACE_MS && !killed) {
      killed = true;
      sendSignal(pid, "SIGKILL");
    }
    await delay(POLL_MS, undefined, { ref: false });
  }
  living.delete(pid);
  if (living.size === 0) process.removeListener("exit", killAll);
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  if (WINDOWS) {
    spawnSync("taskkill", ["/pid", String(pid), "/t", "/f"], { stdio: "ignore", windowsHide: true });
    return;
  }
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the group is empty already, which is what was wanted.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(WINDOWS ? pid : -pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Whether all that is left of a group has ended without being collected. Orphans are collected by process 1, and in a
 * container that is often a program that never does; they would count as alive for ever.
 */
function onlyZombies(group: number): boolean {
  if (process.platform !== "linux") return false;
  return readdirSync("/proc").every((entry) => {
    if (!/^\d+$/.test(entry)) return true;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "latin1");
      // pid (name) state ppid pgrp …; the name may hold anything, also parentheses.
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(pgrp) !== group || state === "Z" || state === "X";
    } catch {
      return true;
    }
  });
}
