/** Flows for commands that only look at them: no agents are needed, nothing runs. */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { PerdureError } from "../core/errors.ts";
import { type Flow, flowOf, isFlow } from "../flow/flow.ts";
import type { Problem } from "../flow/model.ts";
import { hasErrors } from "../flow/problem.ts";
import { readFlow } from "../flow/reader.ts";
import type { KnownNames } from "../flow/validation.ts";
import { isFlowFile, locate } from "./flow-files.ts";
import { chosenWorkflow, loadWorkflows } from "./module-workflows.ts";
import type { Project } from "./project.ts";
import { usageError } from "./usage-error.ts";

/** A flow that was found, and what is to be said about it. */
export interface FoundFlow {
  readonly flow: Flow;
  readonly problems: readonly Problem[];
  readonly file: string | undefined;
}

/** Finds a flow by file or name. @throws PerdureError `INVALID_ARGUMENT` with all its problems. */
export async function findFlow(
  project: Project,
  target: string,
  options: { readonly workflow?: string | undefined; readonly known?: KnownNames } = {},
): Promise<FoundFlow> {
  const found = await locate(project, target);
  if ("file" in found) return flowOfFile(found.file, options);
  return checked(asFlow(found.workflow, project.configFile ?? target), project.configFile, options.known);
}

async function flowOfFile(
  file: string,
  { workflow, known }: { readonly workflow?: string | undefined; readonly known?: KnownNames },
): Promise<FoundFlow> {
  if (!isFlowFile(file)) {
    const { workflows } = await loadWorkflows(file);
    const flows = workflows.filter(isFlow);
    return checked(asFlow(chosenWorkflow(file, flows.length > 0 ? flows : workflows, workflow), file), file, known);
  }
  const { definition, problems } = readFlow(await readText(file), { file, ...known });
  if (definition === undefined) throw flowErrors(file, problems);
  return { flow: flowOf(definition, { baseDir: dirname(file) }), problems, file };
}

function checked(flow: Flow, file: string | undefined, known: KnownNames | undefined): FoundFlow {
  const problems = flow.validate(known).map((problem) => (file === undefined ? problem : { ...problem, file }));
  if (hasErrors(problems)) throw flowErrors(file ?? flow.name, problems);
  return { flow, problems, file };
}

function asFlow(workflow: unknown, file: string): Flow {
  if (isFlow(workflow)) return workflow;
  const { name } = workflow as { name: string };
  throw usageError(`${name} in ${file} is a workflow function, not a flow: what it does is known only when it runs`);
}

/** The text of a file. @throws PerdureError `INVALID_ARGUMENT`. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : message;
    throw usageError(`${file} cannot be read: ${why}`);
  }
}

/** All problems of a flow as one error. */
export function flowErrors(file: string, problems: readonly Problem[]): PerdureError {
  const count = problems.filter(({ severity }) => severity === "error").length;
  return new PerdureError("INVALID_ARGUMENT", `${file} has ${count === 1 ? "an error" : `${count} errors`}`, {
    details: { problems: [...problems] },
  });
}
