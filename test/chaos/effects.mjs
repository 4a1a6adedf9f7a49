/**
 * What activities do: every attempt is in the log before it does anything else. Some attempts look at the database at once, on a
 * connection of their own: what caused them must be there (I1).
 */
import pg from "pg";
import { openJournal } from "./journal.mjs";

/** Every n-th attempt looks at the database. */
const LOOK_EVERY = 4;

/** Opens the log of this process. `incarnation` names it, as pids come back. `database` is asked directly, whatever the engine's way is. */
export function openEffects({ effects, incarnation, database, schema }) {
  const write = openJournal(effects);
  const pool = new pg.Pool({ connectionString: database, max: 2, connectionTimeoutMillis: 1000, query_timeout: 2000 });
  pool.on("error", () => {});
  let executions = 0;

  /** The line is written only when the answer came: a database that is away has seen nothing. */
  const look = ({ runId, cause }, token) => {
    const run = Number.parseInt(runId.slice(runId.indexOf("-") + 1), 36);
    pool.query(`select coalesce(max(seq), 0) as seen from ${schema}.events where run = $1`, [run]).then(
      ({ rows }) => write({ phase: "look", incarnation, token, runId, cause, seen: rows[0].seen }),
      () => {},
    );
  };

  return {
    /**
     * Runs `body` as one attempt. `cause` is the length of the history its command follows from, `max` how many attempts there may be.
     * @returns the token of the attempt
     */
    async around(ctx, { cause, max }, body) {
      const token = `${incarnation}/${++executions}`;
      const { workflowId, runId, step, attempt, idempotencyKey: key } = ctx;
      write({
        phase: "begin",
        incarnation,
        token,
        pid: process.pid,
        workflowId,
        runId,
        step,
        key,
        attempt,
        cause,
        max,
      });
      if (executions % LOOK_EVERY === 0) look({ runId, cause }, token);
      const aborted = () => write({ phase: "abort", incarnation, token });
      ctx.signal.addEventListener("abort", aborted);
      try {
        await body(token);
        write({ phase: "end", incarnation, token });
        return token;
      } catch (error) {
        write({ phase: "fail", incarnation, token, error: String(error?.message ?? error) });
        throw error;
      } finally {
        ctx.signal.removeEventListener("abort", aborted);
      }
    },
  };
}
