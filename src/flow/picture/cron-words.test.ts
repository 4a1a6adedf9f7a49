import { expect, it } from "vitest";
import { cronWords } from "./cron-words.ts";

it.each([
  ["* * * * *", "every minute"],
  ["*/5 * * * *", "every 5 minutes"],
  ["7 * * * *", "hourly at :07"],
  ["0 */6 * * *", "every 6 hours"],
  ["30 */2 * * *", "every 2 hours at :30"],
  ["0 3 * * *", "daily at 03:00"],
  ["0 0 3 * * *", "daily at 03:00"],
  ["15 9 * * 1-5", "weekdays at 09:15"],
  ["15 9 * * MON-FRI", "weekdays at 09:15"],
  ["0 12 * * sat,sun", "weekends at 12:00"],
  ["0 12 * * 1,3", "Mondays, Wednesdays at 12:00"],
  ["0 12 * * 7", "Sundays at 12:00"],
  ["0 4 1 * *", "monthly on day 1 at 04:00"],
])("says %s as %s", (expression, words) => {
  expect(cronWords(expression)).toBe(words);
});

it.each(["0 3 1 1 *", "0 3 1 * 1", "1,2 3 * * *", "0 25 * * *", "0 3 * *", "nonsense", "5 0 3 * * *"])(
  "leaves %s as it is",
  (expression) => {
    expect(cronWords(expression)).toBe(`cron ${expression}`);
  },
);
