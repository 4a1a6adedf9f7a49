/** A program and a script in the model. */
import { BUMP, interpretRoot, POKE, type RootInput, STATE } from "./interpreter.ts";
import { type Observation, RELEASES } from "./observation.ts";
import { PlainRun } from "./plain-run.ts";
import { PLAIN_WORDS } from "./plain-words.ts";
import { PlainWorld } from "./plain-world.ts";
import { type RootProgram, waitsIn } from "./program.ts";
import type { Move } from "./script.ts";

/** Long after everything that is not waited for from outside is over. */
const LONG_MS = 3_600_000;

export interface Expected {
  readonly observation: Observation;
  /** The order of events does not follow from program and script. */
  readonly ambiguous: boolean;
  /** How long it takes. */
  readonly lastsMs: number;
}

export async function expected(program: RootProgram, script: readonly Move[]): Promise<Expected> {
  const world = new PlainWorld();
  const { clock } = world;
  const from = clock.now();
  const input: RootInput = { program, at: 0, pokes: [], bumps: 0, results: [] };
  const run = new PlainRun(world, "root", (wf, given: RootInput) => interpretRoot(wf, PLAIN_WORDS, given), input);
  await clock.settle();
  const answers: Record<string, unknown> = {};
  for (const [index, { afterMs, action }] of script.entries()) {
    await clock.advance(afterMs);
    world.happens();
    const tell = (name: string, n: number): void => {
      answers[index] = run.signal(name, n) ? "told" : "RUN_CLOSED";
    };
    if (action.do === "signal") tell(action.name, index);
    else if (action.do === "poke") tell(POKE.name, index);
    else if (action.do === "query") answers[index] = run.query(STATE.name);
    else if (action.do === "cancel") void run.cancel();
    else if (action.do === "terminate") run.terminate();
    else if (action.do === "update") {
      answers[index] = "pending";
      void run.update(BUMP.name, action.negative ? -1 - index : index).then((answer) => {
        answers[index] = answer;
      });
    }
    await clock.settle();
  }
  if (program.patient) {
    for (const name of RELEASES) for (let n = 0; n < waitsIn(program) + 3; n++) run.signal(name, 1000 + n);
    run.signal("end", null);
  }
  await clock.settle();
  for (let slice = 0; slice < 100 && world.busy; slice++) await clock.advance(LONG_MS / 100);
  await clock.settle();
  const runs = Object.fromEntries([...world.runs].map(([id, { status }]) => [id, status]));
  return {
    observation: { status: run.status, outcome: run.outcome, begun: world.begun, answers, runs, tags: run.tags },
    ambiguous: world.ambiguous,
    lastsMs: clock.now() - from,
  };
}
