/**
 * The rarer writes of a commit: children, runs that continue others, answers, tags and progress, messages to other runs. All of it
 * happens in the transaction of the committer.
 */
import { CHILD_COLUMNS, readChild } from "../rows.ts";
import { stopOf } from "../stop-message.ts";
import type { Also, EventRow, MessageRow, NewRun, ParentLink } from "../store.ts";
import { type Connection, type Prepared, prepareAll } from "./driver.ts";
import type { EventWriter } from "./event-writer.ts";
import type { Inboxes } from "./inboxes.ts";
import type { RunNumbers } from "./run-numbers.ts";
import { Tags } from "./tags.ts";

/** What few starts have. */
export type StartExtra = Pick<NewRun, "rest" | "messages" | "parent" | "tags">;

/** Writes what belongs to a start or a transition beside the plain rows. */
export class Relations {
  readonly #sql: Prepared<typeof SQL>;
  readonly #events: EventWriter;
  readonly #inboxes: Inboxes;
  readonly #numbers: RunNumbers;
  readonly #tags: Tags;

  constructor(
    db: Connection,
    parts: { readonly events: EventWriter; readonly inboxes: Inboxes; readonly numbers: RunNumbers },
  ) {
    this.#sql = prepareAll(db, SQL);
    this.#events = parts.events;
    this.#inboxes = parts.inboxes;
    this.#numbers = parts.numbers;
    this.#tags = new Tags(db);
  }

  /** The run that a command started as its child, if it is not superseded. */
  child({ run, command, generation }: ParentLink): number | undefined {
    return this.#sql.child.all([run, command, generation])[0]?.[0] as number | undefined;
  }

  /** Whether the parent of a child that must not outlive it has ended. */
  hasLost({ run, onClose }: ParentLink): boolean {
    return onClose !== "abandon" && this.#sql.goesOn.all([run]).length === 0;
  }

  /** Completes a run that was inserted in this transaction. Returns the length of its history. */
  complete(run: number, { rest = [], messages = [], parent, tags }: StartExtra): number {
    if (parent !== undefined) {
      this.#sql.link.run([parent.run, parent.command, parent.generation, parent.onClose, run]);
    }
    if (tags !== undefined) this.#setTags(run, tags);
    if (messages.length > 0) this.#inboxes.fill(run, messages);
    return this.#append(run, rest);
  }

  /** In this order: what is written to the row goes over to the run that continues it, and that one takes messages already. */
  apply(run: number, also: Also): void {
    for (const { number, status, data, at } of also.answers ?? []) {
      this.#sql.putAnswer.run([number, status, data, at, run]);
    }
    if (also.facts !== undefined) this.#setFacts(run, also.facts);
    for (const command of also.outcomes ?? []) this.#sql.settleOutcome.run([run, command]);
    for (const message of also.returned ?? []) this.#giveBack(run, message);
    if (also.successor !== undefined) this.#succeed(run, also.successor.start, also.successor.messages);
    if (also.stopsChildren !== undefined) this.#stopChildren(run, also.stopsChildren);
    for (const message of also.sends ?? []) this.#inboxes.deliver(message);
  }

  #stopChildren(parent: number, { data, at }: NonNullable<Also["stopsChildren"]>): void {
    for (const columns of this.#sql.children.all([parent])) {
      const child = readChild(columns, 0);
      if (child.onClose !== "abandon") this.#inboxes.deliver(stopOf(child, child.onClose, data, at));
    }
  }

  #setFacts(run: number, { tags, progress }: NonNullable<Also["facts"]>): void {
    if (tags !== undefined) this.#setTags(run, tags);
    if (progress !== undefined) this.#sql.setProgress.run([progress, run]);
  }

  #setTags(run: number, tags: string): void {
    this.#tags.withdraw(run, (this.#sql.tags.all([run])[0]?.[0] ?? null) as string | null);
    this.#sql.setTags.run([tags, run]);
    this.#tags.enter(run, tags);
  }

  #giveBack(run: number, message: MessageRow): void {
    this.#inboxes.put(run, message);
    this.#inboxes.wake(run, message.at);
  }

  #succeed(old: number, start: NewRun, messages: readonly MessageRow[]): void {
    if (this.#sql.supersede.run([old]) !== 1) throw new Error(`run ${old} is continued, but not closed`);
    const run = this.#numbers.next();
    const { workflow, version, wakeAt, createdAt, meta, request, secrets } = start;
    this.#sql.succeed.run([run, workflow, version, wakeAt, createdAt, meta, request, old]);
    this.#numbers.take();
    this.#tags.enter(run, (this.#sql.tags.all([run])[0]?.[0] ?? null) as string | null);
    const { type, at, data } = start.first;
    this.#events.add(run, 1, type, at, data);
    this.#append(run, start.rest ?? []);
    if (secrets !== null) this.#sql.insertSecrets.run([run, secrets]);
    this.#inboxes.move(old, run);
    for (const message of messages) this.#inboxes.put(run, message);
  }

  /** Appends what follows the first event. Returns the length of the history. */
  #append(run: number, events: readonly EventRow[]): number {
    let seq = 1;
    for (const { type, at, data } of events) this.#events.add(run, ++seq, type, at, data);
    return seq;
  }
}

const SQL = {
  child: `select run from workflow_runs
    where parent = ? and parent_command = ? and parent_generation = ? and superseded = 0`,
  goesOn: "select 1 from workflow_runs where run = ? and (closed_at is null or status = 'continued_as_new')",
  children: `select ${CHILD_COLUMNS} from workflow_runs where parent = ? and superseded = 0 and closed_at is null order by run`,
  link: `update workflow_runs set parent = ?, parent_command = ?, parent_generation = ?, on_parent_close = ?
    where run = ?`,
  tags: "select tags from workflow_runs where run = ?",
  setTags: "update workflow_runs set tags = ? where run = ?",
  setProgress: "update workflow_runs set progress = ? where run = ?",
  putAnswer: `insert or replace into answers (chain, number, status, data, at)
    select coalesce(chain, run), ?, ?, ?, ? from workflow_runs where run = ?`,
  settleOutcome: "update tx_outcomes set data = '' where run = ? and command = ?",
  supersede: "update workflow_runs set superseded = 1 where run = ? and superseded = 0 and closed_at is not null",
  succeed: `insert into workflow_runs (
      run, workflow_id, workflow, version, status, wake_at, inbox, created_at, meta, request,
      chain, parent, parent_command, parent_generation, on_parent_close, tags, progress
    ) select ?, workflow_id, ?, ?, 'pending', ?, inbox, ?, ?, ?,
      coalesce(chain, run), parent, parent_command, parent_generation, on_parent_close, tags, progress
    from workflow_runs where run = ?`,
  insertSecrets: "insert into secrets (run, body) values (?, ?)",
} as const;
