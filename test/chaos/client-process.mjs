/**
 * A process of clients, which know nothing of engines but their sockets, and of the store but its address. What was answered is in
 * their journal before they go on, so that the next process goes on where this one was killed.
 */
import { existsSync, readFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as pass } from "node:timers/promises";
import { connect } from "perdure";
import pg from "pg";
import { catalogue } from "./catalogue.mjs";
import { openJournal } from "./journal.mjs";
import { operations } from "./operations.mjs";
import { drawing, isCrowd, scenario } from "./scenarios.mjs";

const { store, sockets, journal, seed, client, clients, lanes, incarnation, schedules } = JSON.parse(process.argv[2]);

/** How long an engine may take to answer: it may be frozen. */
const ANSWER_MS = 4000;
const AGAIN_MS = 100;
/** Nobody knows whether it happened, or it did not and may later. */
const TRANSIENT = new Set(["UNAVAILABLE", "LEASE_LOST", "WAIT_TIMED_OUT", "NO_ANSWER"]);

const known = existsSync(journal) ? readFileSync(journal, "utf8").split("\n") : [];
const answers = new Map();
for (const line of known) {
  try {
    const { scenario: id, op, ...answer } = JSON.parse(line);
    answers.set(`${id}/${op}`, answer);
  } catch {
    // The line it died over.
  }
}
// What is behind a line that was not finished begins on a new one.
const write = openJournal(journal, { durable: true });

const noAnswer = (message) => Object.assign(new Error(message), { code: "NO_ANSWER" });

/** Asks the engine behind a socket. */
function askEngine(socket, op, args) {
  return new Promise((resolve, reject) => {
    const line = dial(socket);
    const timer = setTimeout(() => end(reject, noAnswer("too late")), ANSWER_MS);
    const end = (settle, value) => {
      clearTimeout(timer);
      line.destroy();
      settle(value);
    };
    line.on("error", (error) => end(reject, noAnswer(error.message)));
    line.on("close", () => end(reject, noAnswer("closed")));
    line.on("connect", () => line.write(`${JSON.stringify({ id: 1, op, args })}\n`));
    createInterface({ input: line })
      .on("error", () => {})
      .on("line", (text) => {
        const { value, error } = JSON.parse(text);
        if (error === undefined) end(resolve, value);
        else end(reject, Object.assign(new Error(error.message), { code: error.code }));
      });
  });
}

const inbox = catalogue({}).workflows.find(({ name }) => name === "inbox");
let connection;
/** Asks the store without any engine. */
async function askStore(op, args) {
  connection ??= connect({ store }).catch((error) => {
    connection = undefined;
    throw error;
  });
  const able = operations(await connection);
  const late = pass(ANSWER_MS, undefined, { ref: false }).then(() => Promise.reject(noAnswer("too late")));
  const asked = able[op](...args);
  asked.catch(() => {});
  return Promise.race([asked, late]);
}

/** A transaction of the client's own, on the database of the store. */
async function order(id, undone) {
  connection ??= await connect({ store });
  const database = new pg.Client({ connectionString: store.split("?")[0], connectionTimeoutMillis: ANSWER_MS });
  database.on("error", () => {});
  const late = setTimeout(() => database.connection.stream.destroy(), ANSWER_MS);
  try {
    await database.connect();
    await database.query("begin; set local lock_timeout = 2000");
    await database.query("insert into public.orders (id) values ($1)", [id]);
    const options = { id, reuse: "reject", conflict: "fail", transaction: database };
    const run = await (await connection).start(inbox, { count: 2, every: 2 }, options);
    for (const item of ["a", "b"]) await run.signal("item", `${id}:${item}`, { key: item, transaction: database });
    await database.query(undone ? "rollback" : "commit");
  } catch (error) {
    // It had happened, and nobody was told.
    if (error.code === "23505") return;
    throw noAnswer(error.message);
  } finally {
    clearTimeout(late);
    database.end().catch(() => {});
  }
}

const ONLY_ENGINES = new Set(["start", "query", "add", "schedule"]);

/** One scenario as told by the client: asks anybody until there is an answer, and remembers it. */
class Telling {
  #draw;
  constructor({ id, kind }) {
    this.id = id;
    this.kind = kind;
    // Not the draws of the scenario, which must be the same when it is played again.
    this.#draw = drawing(`${seed}/${id}/${incarnation}`);
  }

  /** Asks somebody, once. */
  #anybody(op, args) {
    if (op === "order") return order(...args);
    if (!ONLY_ENGINES.has(op) && this.#draw.chance(0.4)) return askStore(op, args);
    return askEngine(this.#draw.one(sockets), op, args);
  }

  /** Asks until the answer is known. Answers with `{ ok }` or `{ code }`. */
  async once(name, op, args, { again = () => false, fields = {} } = {}) {
    const before = answers.get(`${this.id}/${name}`);
    if (before !== undefined) return before;
    for (let tries = 1; ; tries++) {
      try {
        return this.#note(name, { ...fields, ok: (await this.#anybody(op, args)) ?? null, tries });
      } catch (error) {
        if (!TRANSIENT.has(error.code) && !again(error)) {
          return this.#note(name, { ...fields, code: error.code ?? "DEFECT", message: error.message, tries });
        }
        await pass(AGAIN_MS + this.#draw.between(0, AGAIN_MS));
      }
    }
  }

  #note(op, answer) {
    answers.set(`${this.id}/${op}`, answer);
    write({ client, incarnation, scenario: this.id, kind: this.kind, op, ...answer });
    return answer;
  }

  begin() {
    if (!answers.has(`${this.id}/begin`)) this.#note("begin", {});
  }

  end() {
    this.#note("end", {});
  }

  pause(ms) {
    return pass(ms);
  }

  start(workflow, input) {
    const options = { id: this.id, reuse: "reject", conflict: "fail" };
    return this.once("start", "start", [workflow, input, options], { fields: { workflow, input } });
  }

  signal(token) {
    const name = `signal:${token}`;
    return this.once(name, "signal", [this.id, "item", `${this.id}:${token}`, token], { fields: { key: token } });
  }

  update(id, mark = "") {
    const name = `update:${id}${mark}`;
    return this.once(name, "update", [this.id, "add", id, { id, timeout: 3000 }], { fields: { key: id } });
  }

  query(mark) {
    return this.once(`query:${mark}`, "query", [this.id, "ids"]);
  }

  /** Starts a run inside a transaction that also writes down the order; or takes all of it back. */
  order(id, { undone }) {
    return this.once(`order:${id}`, "order", [id, undone], { fields: { id } });
  }

  add(key, id) {
    return this.once(`add:${id}`, "add", [key, id], { fields: { key, id } });
  }

  /** Cancel, terminate, pause, resume. A run that changed meanwhile is asked again. */
  ask(name, op) {
    const changed = ({ code, message }) => code === "CONFLICT" && / changed /.test(message);
    return this.once(name, op, [this.id], { again: changed });
  }

  async result(name = "result", { resuming = false } = {}) {
    // A start inside a transaction is admitted a moment after that has committed.
    const again = ({ code }) => this.kind === "order" && code === "NOT_FOUND";
    const waits = this.once(name, "result", [this.id, 2500], { again });
    if (!resuming) return waits;
    let over = false;
    const settled = waits.finally(() => {
      over = true;
    });
    while (!over) {
      await Promise.race([settled.catch(() => {}), pass(500)]);
      if (over) break;
      const status = await this.#anybody("status", [this.id]).catch(() => undefined);
      if (status === "paused") await this.#anybody("resume", [this.id]).catch(() => {});
    }
    return settled;
  }
}

async function play(n) {
  const scene = scenario(seed, { client, clients }, n);
  if (answers.has(`${scene.id}/end`)) return;
  const telling = new Telling(scene);
  telling.begin();
  process.send?.({ begun: n });
  await scene.play(telling, scene.draw);
  telling.end();
  process.send?.({ ended: n });
}

let next = 0;
const begunBefore = (n) => answers.has(`${scenario(seed, { client, clients }, n).id}/begin`);
/** When leaving: how many scenarios this client has begun. From then on it begins only what others wait for it to take part in. */
let begun;
/** How many anybody has begun, known once all clients are leaving. */
let stop = Number.POSITIVE_INFINITY;
let stopIsTold;
const told = new Promise((resolve) => {
  stopIsTold = resolve;
});

async function lane() {
  for (;;) {
    if (begun !== undefined && next >= begun) await told;
    if (next >= stop) return;
    const n = next++;
    if (begun === undefined || isCrowd(n) || begunBefore(n)) await play(n);
  }
}

function leave() {
  if (begun === undefined) for (begun = next; begunBefore(begun); ) begun++;
  process.send?.({ leavingAfter: begun });
}

process.on("message", (message) => {
  if (message.leave) leave();
  if (message.stop === undefined) return;
  stop = message.stop;
  stopIsTold();
});
process.on("disconnect", () => process.exit(0));

const maker = new Telling({ id: "schedules", kind: "schedules" });
for (const [name, options] of schedules) await maker.once(name, "schedule", [name, options]);
await Promise.all(Array.from({ length: lanes }, lane));
await (await connection)?.close();
process.send?.({ done: true }, () => process.exit(0));
