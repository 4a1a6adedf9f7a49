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
    "select 'C:\\' as a, 'x;y' as b",
    "select E'it\\'s; ' as a, date'2027-01-31', U&'\\2603;'",
    "/* a /* b */ ; */ select 1",
    "select a$b$, c$b$ from t; ",
    "insert into mine select * from perdure.events where 1 in (select 1 from PERDURE . runs)",
    "table perdure.meta",
    "update perdure set run = 1",
    "insert into perdure.orders values (1)",
    "create function f() returns int language sql begin atomic select 1; select 2; end",
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
    ["delete from perdure.events", /belongs to the store/],
    ['update "perdure".workflow_runs set status = 1', /belongs to the store/],
    ["explain analyze update only perdure.meta set value = value", /"perdure.meta" belongs/],
    ["with x as (insert into PERDURE . events select 1 returning 1) select 1", /belongs to the store/],
    ["truncate mine, perdure.events", /belongs to the store/],
    ["select 'C:\\'; commit; --'", /one statement at a time/],
  ])("may not be %s", (sql, why) => {
    expect(check(sql)).toThrowError(why);
  });
});
