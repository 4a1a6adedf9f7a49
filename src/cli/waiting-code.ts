/** Runs that are due and that nobody takes, by the code they wait for. */
import type { Connection } from "../client/connection.ts";
import type { RunStatus } from "../core/status.ts";
import { SCHEDULE_WORKFLOW } from "../workflow/schedule.ts";
import { CodeAtHand, codeName } from "./code-at-hand.ts";
import type { Project } from "./project.ts";

/** Code that runs wait for. */
export interface WaitingCode {
  /** Whether the project has it. */
  readonly here: boolean;
  readonly message: string;
  readonly hint: string;
}

/** After this long every engine that has the code would have taken a run. */
const UNCLAIMED_MS = 5000;
const LOOKED_AT = 500;
const OPEN: readonly RunStatus[] = ["pending", "running"];

/** What runs wait for, beside engines that are running. */
export async function waitingCode({ store, now }: Connection, project: Project): Promise<WaitingCode[]> {
  const waiting = await store.waiting(now() - UNCLAIMED_MS);
  if (waiting.length === 0) return [];
  const code = await CodeAtHand.load(project, []);
  return Promise.all(
    waiting.map(async ({ workflow, version, runs }) => {
      const rows = await store.list({ workflow, status: OPEN, limit: LOOKED_AT });
      const meta = rows.find((row) => row.version === version && row.owner === null)?.meta ?? null;
      const here = (await code.find({ workflow, version, meta }, store)) !== undefined;
      const name = version === null ? `${workflow} (without a version)` : codeName({ workflow, version });
      if (workflow === SCHEDULE_WORKFLOW) return waitingSchedules(version ?? "", runs, here);
      const why = here ? "no engine with it is running" : "no engine has it";
      return {
        here,
        message: `${runs} ${runs === 1 ? "run waits" : "runs wait"} for ${name}, ${why}`,
        hint: here
          ? "start an engine, or go on with one here: perdure runs resume ID"
          : "deploy that version beside the newer one; perdure replay FILE shows whether other code agrees with them",
      };
    }),
  );
}

function waitingSchedules(target: string, count: number, here: boolean): WaitingCode {
  const message = `${count} ${count === 1 ? "schedule waits" : "schedules wait"} for an engine that has ${target}`;
  return { here, message, hint: `open one with it: open({ workflows: [${target}, …] })` };
}
