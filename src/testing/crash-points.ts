/** Places at which a test lets its engine crash, and the watch for them. */
import { PerdureError } from "../core/errors.ts";
import { parseEvent } from "../core/events.ts";
import { checkOptions } from "../core/options.ts";
import type { Batch } from "../store/store.ts";
import type { AnyActivity } from "../workflow/activity.ts";

type StepName = string | AnyActivity;

/**
 * Where an engine crashes:
 * `before` the attempt of a step begins; `during` it, when its function was called; `unrecorded`: the step is done, and its outcome gets
 * lost; `after` its outcome was recorded, and before anything came of it; `compensating`: a saga has undone its first step, and the
 * outcome of that gets lost; at the nth commit from now on, `beforeCommit` or `afterCommit` it is made.
 */
export type CrashPoint =
  | { readonly before: StepName }
  | { readonly during: StepName }
  | { readonly unrecorded: StepName }
  | { readonly after: StepName }
  | { readonly compensating: true }
  | { readonly beforeCommit: number }
  | { readonly afterCommit: number };

/** A crash that was asked for. */
export interface PlannedCrash {
  /** Whether it has happened. */
  readonly happened: boolean;
}

interface Plan {
  readonly place: "before" | "during" | "unrecorded" | "after" | "compensating" | "beforeCommit" | "afterCommit";
  readonly step: string;
  readonly commit: number;
  happened: boolean;
}

export class CrashPoints {
  #plans: Plan[] = [];
  /** Commits of all engines so far. */
  commits = 0;

  plan(point: CrashPoint): PlannedCrash {
    const [place, at] = placeOf(point);
    const step = typeof at === "string" ? at : typeof at === "function" ? at.activityName : "";
    const plan = { place, step, commit: typeof at === "number" ? this.commits + at : 0, happened: false };
    this.#plans.push(plan);
    return plan;
  }

  forget(crash: PlannedCrash): void {
    this.#plans = this.#plans.filter((plan) => plan !== crash);
  }

  /** Whether the engine crashes as an attempt of a step begins, or once its function was called. */
  begins(step: string, name: string, begun: boolean): boolean {
    const place = begun ? "during" : "before";
    return this.#happens((plan) => plan.place === place && (plan.step === step || plan.step === name));
  }

  /** Whether the engine crashes instead of making this commit. Counts it. */
  beforeCommit(batch: Batch): boolean {
    this.commits++;
    return this.#happens((plan) => {
      if (plan.place === "beforeCommit") return plan.commit === this.commits;
      if (plan.place === "compensating") return compensates(batch);
      return plan.place === "unrecorded" && records(batch, plan.step);
    });
  }

  /** Whether the engine crashes before it hears of this commit. */
  afterCommit(batch: Batch): boolean {
    return this.#happens((plan) => {
      if (plan.place === "afterCommit") return plan.commit === this.commits;
      return plan.place === "after" && records(batch, plan.step);
    });
  }

  #happens(is: (plan: Plan) => boolean): boolean {
    const plan = this.#plans.find((one) => !one.happened && is(one));
    if (plan !== undefined) plan.happened = true;
    return plan !== undefined;
  }

  /** What was asked for and has not happened, in words. */
  get missed(): readonly string[] {
    return this.#plans
      .filter(({ happened }) => !happened)
      .map(({ place, step, commit }) =>
        step === "" ? `${place}${commit === 0 ? "" : ` ${commit}`}` : `${place} ${step}`,
      );
  }
}

const PLACES: ReadonlySet<string> = new Set<Plan["place"]>([
  "before",
  "during",
  "unrecorded",
  "after",
  "compensating",
  "beforeCommit",
  "afterCommit",
]);

function placeOf(point: CrashPoint): [Plan["place"], StepName | number | true] {
  checkOptions(point, PLACES, "crashAt()");
  const [first] = Object.entries(point) as [Plan["place"], StepName | number | true][];
  if (first !== undefined && first[1] !== undefined) return first;
  throw new PerdureError("INVALID_ARGUMENT", `crashAt() takes a place, one of ${[...PLACES].join(", ")}`);
}

function records({ transitions }: Batch, step: string): boolean {
  return transitions.some(({ events }) =>
    events.some((event) => {
      if (!event.data.includes(JSON.stringify(step))) return false;
      const { c, n, l } = parseEvent(event).data;
      return c !== undefined && (n === step || l === step);
    }),
  );
}

function compensates({ transitions }: Batch): boolean {
  return transitions.some(({ events }) => events.some(({ data }) => data.includes('"k":"saga.compensating"')));
}
