/** The independent checker of these tests: reads the tables with plain SQL and says what is wrong with them. */
import { ask } from "./subject.ts";

interface Question {
  readonly what: string;
  /** A query that finds nothing when all is well. */
  readonly sql: string;
}

const OUTCOME = "'StepCompleted', 'StepFailed', 'StepCancelled', 'TimerFired', 'WaitTimedOut'";
const TERMINAL = "'RunCompleted', 'RunFailed', 'RunCancelled', 'RunTerminated', 'RunTimedOut', 'RunContinued'";

function questions(schema: string): Question[] {
  const runs = `${schema}.workflow_runs`;
  const events = `${schema}.events`;
  return [
    {
      what: "histories are dense and as long as their rows say",
      sql: `select r.workflow_id, r.length, count(*), max(e.seq) from ${runs} r left join ${events} e using (run)
        group by r.run having count(*) <> max(e.seq) or r.length <> count(*)`,
    },
    {
      what: "every run is closed and nobody's",
      sql: `select workflow_id, status, owner from ${runs} where closed_at is null or owner is not null or status <> 'completed'`,
    },
    {
      what: "every history ends once",
      sql: `select run, count(*) from ${events} where type in (${TERMINAL}) group by run having count(*) <> 1`,
    },
    {
      what: "every command has one outcome",
      sql: `select run, data::json ->> 'c', count(*) from ${events} where type in (${OUTCOME}) group by 1, 2 having count(*) > 1`,
    },
    {
      what: "every message is in a history once, in order",
      sql: `select run, numbers from (
          select run, array_agg((data::json ->> 'm')::bigint order by seq) as numbers from ${events}
          where type in ('SignalReceived', 'UpdateAccepted') group by run) s
        where numbers <> (select array_agg(n) from generate_series(1::bigint, cardinality(numbers)) n)`,
    },
    { what: "no message is left", sql: `select * from ${schema}.messages` },
    { what: "no task is left", sql: `select * from ${schema}.tasks` },
    { what: "no attempt is left", sql: `select * from ${schema}.attempts` },
    { what: "a workflow id has one run", sql: `select workflow_id from ${runs} group by 1 having count(*) > 1` },
  ];
}

/** What is wrong with a store whose engines have left and whose runs should all have completed. */
export async function audit(url: string, schema: string): Promise<string[]> {
  const problems: string[] = [];
  for (const { what, sql } of questions(schema)) {
    const found = await ask(url, sql);
    if (found.length > 0) problems.push(`not so: ${what}: ${JSON.stringify(found.slice(0, 5))}`);
  }
  return problems;
}
