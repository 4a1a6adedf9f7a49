/** The suites of engines on a clock that tests move, on PostgreSQL. */
import { benchesOn } from "../engine/fixture.ts";
import { openAgeing, postgresForTests } from "./subject.ts";

/** Hours of virtual time are thousands of looks, signs of life and sweeps, each a round trip here. */
const LONG = "takes hours of virtual time";
const LEFT_OUT = {
  "sleeps without holding anything and goes on when the time has come": LONG,
  "derives random values and ids that are the same on replay": LONG,
  "prefers a signal from before the deadline although the deadline passed while nobody was there": LONG,
  "keeps what parallel branches had finished before the failure and replays exactly afterwards": LONG,
  "is false when its time passes first": LONG,
  "nobody decides in time": LONG,
  "completes with its state when no message comes for long enough, and starts anew with the next": LONG,
  "has the same state after a crash, also in the middle of a handler": LONG,
  "leaves the runs of others alone and advances what it started or was asked for": LONG,
  "an update id sent before is the same update after": "waits for a look at the answer while time stands still",
};

/** Tokens on PostgreSQL are sealed with a key that all processes share. */
process.env.PERDURE_KEY = "the same long text for every process of these tests";

const postgres = postgresForTests({ fsync: false, anywhere: true });
benchesOn(() => openAgeing(postgres.url, postgres.freshAddress()), LEFT_OUT);

await import("../engine/durable-function.test.ts");
await import("../engine/attempts.test.ts");
await import("../engine/cancellation.test.ts");
await import("../engine/starting.test.ts");
await import("../engine/opening.test.ts");
await import("../engine/recovery.test.ts");
await import("../engine/resume.test.ts");
await import("../engine/messages.test.ts");
await import("../engine/children.test.ts");
await import("../engine/entity.test.ts");
