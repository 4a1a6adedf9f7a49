/**
 * Mutations: a name, the edits `[file, text, replacement]`, and for those no simulation can notice the reason why.
 *
 * @type {readonly {
 *   readonly name: string,
 *   readonly edits: readonly (readonly [file: string, from: string, to: string])[],
 *   readonly survives?: string,
 * }[]}
 */
export const MUTATIONS = [
  // ---- one writer, fences ------------------------------------------------------------------------------------------------
  {
    name: "the store takes commits of engines whose lease has ended",
    edits: [
      [
        "src/store/memory/commit.ts",
        "if (lease === undefined || lease.batch !== batch.number - 1) throw leaseLost(engine);",
        "",
      ],
      [
        "src/store/memory/commit.ts",
        "  lease.batch = batch.number;",
        "  if (lease !== undefined) lease.batch = batch.number;",
      ],
    ],
  },
  {
    name: "a doubtful commit is sent again without asking, and the store counts no batches",
    edits: [
      ["src/store/memory/commit.ts", "lease === undefined || lease.batch !== batch.number - 1", "lease === undefined"],
      [
        "src/engine/committer.ts",
        "else if (last === flight.batch.number - 1) this.#send",
        "else if (last !== -1) this.#send",
      ],
    ],
  },
  {
    name: "the store drops density, and stale actors write",
    edits: [
      ["src/store/memory/commit.ts", " || run.events.length !== transition.base", ""],
      ["src/engine/run-actor.ts", "    this.#outbox.seq += events.length;\n", ""],
    ],
  },
  {
    name: "effects start without a valid lease",
    edits: [["src/engine/engine.ts", "if (this.#keeper.valid && !this.#closed) return", "if (!this.#closed) return"]],
  },
  {
    name: "a lease is believed for three times its time to live",
    edits: [["src/engine/lease-keeper.ts", "const limit = this.ttlMs * 0.8;", "const limit = this.ttlMs * 3;"]],
  },
  {
    name: "a sweep takes the time of its call for the time of its observation",
    edits: [["test/sim/fault-store.ts", "{ ...params, monotonicMs: world.now }", "params"]],
  },
  {
    name: "a start that was in doubt begins at once",
    edits: [
      [
        "src/engine/committer.ts",
        "{ result: { run: found.run }, fresh: false }",
        "{ result: { run: found.run }, fresh: true }",
      ],
    ],
  },
  {
    name: "a run may be on its way into memory twice",
    edits: [
      ["src/engine/residents.ts", "const runs = asked.filter((run) => !this.knows(run));", "const runs = asked;"],
      [
        "src/engine/residents.ts",
        "owned.filter((run) => !this.knows(run))",
        "owned.filter((run) => !this.#active.has(run))",
      ],
    ],
  },
  {
    name: "due steps begin while their run is being let go",
    survives: "takes a commit in flight for as long as a back-off, too rare here; test/engine/parking.test.ts notices",
    edits: [["src/engine/run-actor.ts", " || this.#inFlight?.image?.owned === false ||", " ||"]],
  },
  // ---- durable before visible --------------------------------------------------------------------------------------------
  {
    name: "events are applied before they are committed",
    edits: [
      [
        "src/engine/run-actor.ts",
        "    return this.#inFlight;\n",
        "    if (this.#inFlight !== undefined && this.#inFlight.image === null && this.#inFlight.events.length > 0) this.#apply(this.#inFlight.events);\n    return this.#inFlight;\n",
      ],
      [
        "src/engine/run-actor.ts",
        "else if (events.length > 0) this.#apply(events);",
        "else if (events.length > 0) this.turnsDone();",
      ],
    ],
  },
  {
    name: "effects start before the inbox is applied after a replay",
    edits: [
      [
        "src/engine/effects.ts",
        "if ((this.#takenOver !== undefined && this.#outbox.hasNews) ||",
        "if ((this.#takenOver !== undefined && this.#outbox.hasNews && this.inboxApplied) ||",
      ],
    ],
  },
  {
    name: "settled commands are carried out again after a replay",
    edits: [["src/engine/effects.ts", "      if (!this.machine.open.has(command.id)) continue;\n", ""]],
  },
  // ---- replay ------------------------------------------------------------------------------------------------------------
  {
    name: "commands are legal out of turn",
    edits: [
      ["src/core/machine.ts", "    if (!this.#turn) {\n      const what", "    if (this.#dead) {\n      const what"],
    ],
    survives: "no workflow of the simulation awaits anything foreign; test/engine/determinism.test.ts notices",
  },
  {
    name: "outcomes are not compared with their commands",
    edits: [["src/core/agreement.ts", "if (!this.#claims(type, data)) return false;", ""]],
    survives: "no code of the simulation changes between two replays; test/engine/determinism.test.ts notices",
  },
  {
    name: "random numbers are not derived from the run",
    edits: [["src/core/machine.ts", "    return unitInterval(this.#seed());", "    return Math.random();"]],
  },
  {
    name: "wf.now() is the clock's time",
    edits: [["src/engine/workflow-context.ts", "    return this.#machine.now;\n", "    return Date.now();\n"]],
  },
  {
    name: "the time of events goes backwards",
    edits: [
      [
        "src/engine/sequencer.ts",
        "this.#lastAt = Math.max(this.#lastAt, this.#machine.now, at);",
        "this.#lastAt = at;",
      ],
    ],
  },
  {
    name: "a timer's event has the clock's time, be it before it was due",
    survives: "takes a clock that is set back in the very moment; test/engine/backward-clock.test.ts notices",
    edits: [
      [
        "src/engine/sequencer.ts",
        "newEvent.timerFired(command, this.stamp(Math.max(arrival.at, this.#now())))",
        "newEvent.timerFired(command, this.stamp())",
      ],
    ],
  },
  {
    name: "workflow code sees the value itself, not what was kept of it",
    edits: [
      [
        "src/core/failure.ts",
        "  const error = new Error(failure.message);",
        "  const error = new Error(`${failure.message} `);",
      ],
    ],
    survives: "live and replayed values come from the same bytes, so both see the same wrong one; unit tests notice",
  },
  // ---- messages ----------------------------------------------------------------------------------------------------------
  {
    name: "parking ignores what came into the inbox meanwhile",
    edits: [["src/engine/outbox.ts", "wakeAt, detail, ifInbox: this.#inbox.seen }", "wakeAt, detail, ifInbox: null }"]],
  },
  {
    name: "closing ignores what came into the inbox meanwhile",
    survives: "what comes in the last moment is still there for a resume; test/engine/backlog.test.ts notices",
    edits: [
      [
        "src/engine/outbox.ts",
        "const ifInbox = goesOn || this.#endingsRefused >= PATIENCE ? null : this.#inbox.seen;",
        "const ifInbox = null;",
      ],
    ],
  },
  {
    name: "messages taken by a refused transition are forgotten",
    edits: [["src/engine/outbox.ts", "    this.#inbox.giveBack(this.#messagesTaken);\n", ""]],
  },
  {
    name: "a message is taken twice",
    edits: [["src/engine/inbox.ts", "      if (message.number <= this.#seen) continue;\n", ""]],
  },
  {
    name: "messages are not removed from the inbox when they are consumed",
    edits: [
      ["src/store/memory/commit.ts", "  for (const number of transition.consumed) run.messages.delete(number);\n", ""],
    ],
  },
  {
    name: "signals that nobody waits for yet are forgotten",
    edits: [["src/core/handlers.ts", "    else this.keep(signal);\n", ""]],
  },
  {
    name: "leftover signals are dropped when a run ends",
    edits: [["src/engine/sequencer.ts", 'if (message.kind === "signal") events.push(this.#leftover(message));', ""]],
  },
  {
    name: "terminating a run nobody advances drops its signals",
    edits: [["src/engine/terminate.ts", "...leftovers(loaded, at), ", ""]],
  },
  {
    name: "terminating a run nobody advances takes the caller's time",
    edits: [["src/engine/terminate.ts", "Math.max(now, last?.at ?? 0)", "now"]],
  },
  {
    name: "a message does not make a parked run due",
    edits: [
      [
        "src/store/memory/tables.ts",
        "if (row.owner === null && isAdvancing(row)) this",
        "if (row.owner === -1 && isAdvancing(row)) this",
      ],
    ],
  },
  {
    name: "inboxes are read on hints only",
    edits: [["src/engine/claimer.ts", "      if (this.#inboxDirty) {", "      if (this.#inboxDirty && this.#again) {"]],
  },
  // ---- nothing is forgotten ----------------------------------------------------------------------------------------------
  {
    name: "rows of failed attempts are not kept",
    edits: [
      [
        "src/engine/steps.ts",
        "    this.#outbox.rows.keep(step.row());\n    if (why",
        '    if (why !== "retry") this.#outbox.rows.keep(step.row());\n    if (why',
      ],
    ],
  },
  {
    name: "rows of timers stay when they fire",
    edits: [
      [
        "src/engine/sequencer.ts",
        "      events.push(newEvent.timerFired(command, this.stamp(Math.max(arrival.at, this.#now()))));\n      this.#rows.settle(command.id);\n",
        "      events.push(newEvent.timerFired(command, this.stamp(Math.max(arrival.at, this.#now()))));\n",
      ],
    ],
  },
  {
    name: "a run between two attempts is kept warm",
    edits: [["src/engine/residents.ts", "    if (actor.effects.betweenAttempts) this.#cool(actor);\n", ""]],
  },
  {
    name: "steps held back for the lease never begin",
    edits: [["src/engine/lease-keeper.ts", "    this.#host.leaseProved(monotonic, wall);\n", ""]],
  },
  {
    name: "nobody looks for runs lost between store and memory",
    edits: [["src/engine/lease-keeper.ts", "    await this.#host.audit(lease);\n", ""]],
  },
  {
    name: "a run that could not park sets no alarm",
    edits: [
      [
        "src/engine/run-actor.ts",
        "this.#settleDown();\n    else this.effects.beginCareful();\n    this.arm();",
        "void 0;\n    else this.effects.beginCareful();",
      ],
    ],
    survives:
      "takes a commit in flight for almost as long as a sleep, too rare here; test/sim/regressions.test.ts notices",
  },
  {
    name: "timers are as long as they are asked to be",
    edits: [
      [
        "src/engine/alarm.ts",
        "Math.min(Math.max(0, top.due - this.#clock.now()), LONGEST_MS)",
        "Math.max(0, top.due - this.#clock.now())",
      ],
    ],
  },
  {
    name: "dead engines are never swept",
    edits: [
      [
        "src/store/still-leases.ts",
        "if (monotonicMs - now.sinceMs >= ttlMs)",
        "if (monotonicMs - now.sinceMs >= ttlMs * 1000)",
      ],
    ],
  },
  {
    name: "what is left of a batch is forgotten when its answer is lost",
    edits: [["src/engine/committer.ts", "this.#nextSingle() ?? this.#gather()", "this.#gather()"]],
  },
  {
    name: "a run parks although steps are held back until its inbox is applied",
    edits: [
      ["src/engine/effects.ts", " || this.#held.length > 0) return undefined;", ") return undefined;"],
      [
        "src/engine/effects.ts",
        "    const commands = this.#held.length === 0 ? fresh : [...this.#held, ...fresh];\n",
        "    if (fresh.length === 0 && this.#held.length === 0) return;\n    const commands = this.#held.length === 0 ? fresh : [...this.#held, ...fresh];\n",
      ],
    ],
  },
  // ---- resume and cancellation -------------------------------------------------------------------------------------------
  {
    name: "a resume keeps the outcome that failed the run",
    edits: [["src/core/resume.ts", "row.seq === pivot || row.seq === end.seq ||", "row.seq === end.seq ||"]],
  },
  {
    name: "a resume keeps outcomes of later commands",
    edits: [["src/core/resume.ts", " || (data.c !== undefined && data.c > commands)", ""]],
  },
  {
    name: "a step that was set aside keeps its idempotency key",
    edits: [
      [
        "src/core/resume.ts",
        "bumped.set(command, (bumped.get(command) ?? 0) + 1)",
        "bumped.set(command, bumped.get(command) ?? 0)",
      ],
    ],
  },
  {
    name: "a cancellation does not settle what it cuts off",
    edits: [["src/engine/outbox.ts", "      events.push(newEvent.stepCancelled(command, at));\n", ""]],
  },
  // ---- updates, continue-as-new, children, messages between runs --------------------------------------------------------
  {
    name: "updates: an accepted one is not answered when its handler ends",
    edits: [
      [
        "src/engine/answers.ts",
        "    if (this.#open?.delete(number) === true) this.#waiting.push(this.#row(number, ending));\n",
        "",
      ],
    ],
  },
  {
    name: "updates: nothing is said of open ones when their run ends",
    edits: [
      [
        "src/engine/answers.ts",
        "    this.#waiting.push(...unanswered(open, this.#about.workflowId, status, at));\n",
        "",
      ],
    ],
  },
  {
    name: "updates: what earlier engines accepted is not remembered",
    edits: [["src/engine/answers.ts", "    for (const number of numbers) this.#accept(number);\n", ""]],
  },
  {
    name: "updates: they are judged before what came before them is applied",
    edits: [
      [
        "src/engine/sequencer.ts",
        'const alone = message.kind === "update" && this.#machine.messages.validates(message.name);',
        "const alone = false;",
      ],
    ],
  },
  {
    name: "updates: an answer is forgotten when its commit is refused",
    edits: [["src/engine/answers.ts", "    this.#waiting = [...answers, ...this.#waiting];\n", ""]],
  },
  {
    name: "continuing: what was buffered stays behind",
    edits: [["src/engine/run-end.ts", "[...buffered, ...unhandled]", "[]"]],
  },
  {
    name: "continuing: what lies in the inbox stays behind",
    edits: [["src/store/memory/new-run.ts", "[...moved, ...messages]", "messages"]],
  },
  {
    name: "backlog: nobody looks again when there is room",
    survives: "a run that comes to rest looks once more by itself; only one that is kept busy would look late",
    edits: [["src/engine/intake.ts", "2 * this.roomFor(name) >= this.#ahead", "name.length > 9999"]],
  },
  {
    name: "backlog: what was left comes before what was put back",
    edits: [["src/engine/inbox.ts", ".sort((a, b) => a.number - b.number)", ""]],
  },
  {
    name: "continuing: handlers take signals while sagas are undone",
    survives:
      "no workflow of the simulation leaves a saga behind; test/engine/saga-at-run-end.test.ts and the model test notice",
    edits: [
      [
        "src/core/machine.ts",
        "reaches: (scope) => !(this.continuing && scope.isReachedFrom(this.scope)),",
        "reaches: () => true,",
      ],
    ],
  },
  {
    name: "continuing: a cancellation ends with the run that is left",
    survives:
      "no workflow of the simulation leaves a saga behind; test/engine/saga-at-run-end.test.ts and the model test notice",
    edits: [["src/engine/sequencer.ts", 'return kind === "cancel" || (kind === "update"', 'return (kind === "update"']],
  },
  {
    name: "continuing: message numbers begin anew",
    edits: [
      [
        "src/store/memory/new-run.ts",
        "Object.assign(fresh.row, { workflowId, chain, parent, tags, progress, inbox });",
        "Object.assign(fresh.row, { workflowId, chain, parent, tags, progress, inbox: 0 * inbox });",
      ],
    ],
  },
  {
    name: "children: a start is not unique",
    edits: [
      [
        "src/store/memory/tables.ts",
        "const child = start.parent === undefined ? undefined : this.#child(start.parent);",
        "const child = undefined as MemoryRun | undefined;",
      ],
    ],
  },
  {
    name: "children: one that was there already is begun again",
    edits: [["src/engine/committer.ts", 'const fresh = held && !("existing" in result);', "const fresh = held;"]],
  },
  {
    name: "children: their parent is not told how they ended",
    edits: [
      [
        "src/engine/end-notices.ts",
        "const told = parent === null ? NONE :",
        "const told = parent === null || parent !== undefined ? NONE :",
      ],
    ],
  },
  {
    name: "children: nobody tells them that their parent has ended",
    edits: [
      [
        "src/engine/outbox.ts",
        "const withChildren = !goesOn && this.#host.effects.hasChildren;",
        "const withChildren = false;",
      ],
    ],
  },
  {
    name: "children: an outcome is taken whatever the generation it is for",
    edits: [
      ["src/engine/sequencer.ts", "    if (outcome.g !== undefined && outcome.g !== command.generation) return;\n", ""],
    ],
    survives:
      "needs a reset between two outcomes of one child, too rare for few seeds; test/engine/children.test.ts notices",
  },
  {
    name: "other runs: what is told them has no key",
    edits: [
      [
        "src/engine/run-services.ts",
        "name, data, at: this.#host.clock.now(), key };",
        "name, data, at: this.#host.clock.now(), key: null };",
      ],
    ],
  },
  {
    name: "other runs: what is told them is sent once more after a crash",
    edits: [
      [
        "src/engine/run-services.ts",
        "name, data, at: this.#host.clock.now(), key };",
        "name, data, at: this.#host.clock.now(), key: `${key}${this.#host.lease()?.engine}` };",
      ],
    ],
  },
  {
    name: "a pause is taken while steps are running",
    edits: [
      [
        "src/engine/effects.ts",
        'return this.busy ? undefined : this.giveUp(new CancelledError("the run is paused"));',
        'return this.giveUp(new CancelledError("the run is paused"));',
      ],
    ],
  },
  {
    name: "conditions: one times out in the transition that makes it true",
    edits: [
      [
        "src/engine/sequencer.ts",
        'if (kind !== "wait") return events.length > 0;',
        'if (kind !== "wait") return false;',
      ],
    ],
    survives: "takes several things at once, too rare for few seeds; test/sim/regressions-of-children.test.ts notices",
  },
  {
    name: "children: those of what was set aside are taken for present ones",
    edits: [["src/engine/takeover.ts", "generation === plan.generation(command)", "generation >= 0"]],
    survives: "takes several things at once, too rare for few seeds; test/sim/regressions-of-children.test.ts notices",
  },
  {
    name: "children: those that come while their parent ends are not told",
    edits: [["src/engine/children.ts", "this.#open.size > 0 || this.#starting.size > 0", "this.#open.size > 0"]],
  },
  {
    name: "a pause writes rows of what is settled",
    edits: [["src/engine/effects.ts", "      .filter(({ command }) => this.#outbox.rows.has(command))\n", ""]],
    survives: "takes several things at once, too rare for few seeds; test/sim/regressions-of-children.test.ts notices",
  },
];
