import { describe, expect, it } from "vitest";
import { checkStatement } from "./user-statement.ts";

const check = (sql: string) => () => checkStatement(sql, "perdure");

describe("statements of a step's transaction", () => {
  it.each([
    "select * from perdure.events",
    "insert into accounts values ($1, $2) returning id;",
    "with x as (select 1) update accounts set n = 1",
    "create table perdure (id int)",
    "insert into logs values ('perdure.events; commit')",
    "-- commit;\nselect 1",
    "do $$ begin perform 1; end $$",
    "set local statement_timeout = 5",
    "savepoint a",
    "rollback to savepoint a",
    "merge into a using b on true when matched then delete",
  ])("may be %s", (sql) => {
    expect(check(sql)).not.toThrow();
  });

  it.each([
    ["commit", /"COMMIT" is not for/],
    ["/* x */ Rollback", /"ROLLBACK"/],
    ["begin", /"BEGIN"/],
    ["set search_path = x", /SET LOCAL/],
    ["listen x", /"LISTEN"/],
    ["select 1; commit", /one statement at a time/],
    ["  ", /empty/],
    ["delete from perdure.events", /belong to the store/],
    ['update "perdure".workflow_runs set status = 1', /belong to the store/],
    ["insert into x select * from y where 1 in (select 1 from PERDURE . events)", /belong to the store/],
  ])("may not be %s", (sql, why) => {
    expect(check(sql)).toThrowError(why);
  });
});
