/**
 * CEL as flows speak it. JSON numbers are doubles, literals and sizes are integers: here the two mix in arithmetic, and both
 * join texts with `+`. Optional access (`a.?b.orValue(x)`) is on. Structural limits bound what one expression can cost.
 */
import { Environment } from "@marcbachmann/cel-js";

/** What `steps.<id>` is. */
export class StepView {
  output: unknown = null;
  status: string = "pending";
  error: unknown = null;
}

/** What `run` is. */
export class RunView {
  readonly id: string;
  readonly workflow_id: string;
  readonly name: string;
  /** ISO 8601. */
  readonly started_at: string;

  constructor(run: { runId: string; workflowId: string; workflow: string; startedAt: number }) {
    this.id = run.runId;
    this.workflow_id = run.workflowId;
    this.name = run.workflow;
    this.started_at = new Date(run.startedAt).toISOString();
  }
}

/** Names an expression can start with. */
export const VARIABLES: readonly string[] = ["input", "steps", "run", "secrets"];

/** The values of the variables. `steps` is keyed by {@link celName}. */
export interface Activation {
  readonly input: unknown;
  readonly steps: Readonly<Record<string, StepView>>;
  readonly run: RunView;
}

let shared: Environment | undefined;

/** The environment all flows share; made at first use, since making it is slow. */
export function celEnvironment(): Environment {
  shared ??= create();
  return shared;
}

function create(): Environment {
  const environment = new Environment({
    unlistedVariablesAreDyn: false,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
    limits: { maxAstNodes: 2000, maxDepth: 64, maxListElements: 1000, maxMapEntries: 1000, maxCallArguments: 16 },
  });
  addNumbers(environment);
  addTexts(environment);
  return environment
    .registerType("Step", { ctor: StepView, fields: { output: "dyn", status: "string", error: "dyn" } })
    .registerType("Run", {
      ctor: RunView,
      fields: { id: "string", workflow_id: "string", name: "string", started_at: "string" },
    })
    .registerVariable("input", "dyn")
    .registerVariable("steps", "map<string, Step>")
    .registerVariable("run", "Run");
}

type Numeric = number | bigint;

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
};

function addNumbers(environment: Environment): void {
  for (const [operator, apply] of Object.entries(ARITHMETIC)) {
    const mixed = (a: Numeric, b: Numeric): number => apply(Number(a), Number(b));
    environment.registerOperator(`int ${operator} double: double`, mixed);
    environment.registerOperator(`double ${operator} int: double`, mixed);
  }
  environment.registerOperator("double % double: double", (a: number, b: number) => a % b);
}

function addTexts(environment: Environment): void {
  for (const type of ["int", "double", "bool"]) {
    environment.registerOperator(`string + ${type}: string`, (a: string, b: unknown) => a + String(b));
    environment.registerOperator(`${type} + string: string`, (a: unknown, b: string) => String(a) + b);
  }
}
