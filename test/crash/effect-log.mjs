/** What activities did, one line each, appended at once: it survives the process that wrote it. */
import { openSync, writeSync } from "node:fs";

/** Opens the log of this process. `process` names its incarnation, as pids come back. */
export function openEffectLog(path, incarnation) {
  const file = openSync(path, "a");
  let executions = 0;
  const write = (ctx, step, token, phase) => {
    const { workflowId, idempotencyKey: key, attempt } = ctx;
    const effect = { at: Date.now(), incarnation, token, phase, workflowId, step, attempt, key };
    writeSync(file, `${JSON.stringify(effect)}\n`);
    process.send?.({ effect });
  };
  return {
    incarnation,
    /** Runs `body` as one execution of a step; what it returns carries the token of that execution. */
    async around(ctx, step, body) {
      const token = `${incarnation}/${++executions}`;
      write(ctx, step, token, "start");
      try {
        await body();
      } catch (error) {
        write(ctx, step, token, ctx.signal.aborted ? "abort" : "fail");
        throw error;
      }
      write(ctx, step, token, "end");
      return { token, step };
    },
  };
}
