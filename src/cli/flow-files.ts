/** Flow files of a project: where they lie, and which one a name means. */
import { existsSync, statSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { didYouMean } from "../core/suggestion.ts";
import type { Flow } from "../flow/flow.ts";
import { readFlow } from "../flow/reader.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { findUpward, type Project } from "./project.ts";
import { usageError } from "./usage-error.ts";

const FLOW_FILE: ReadonlySet<string> = new Set([".yaml", ".yml", ".json"]);
const FOLDERS = ["flows", join(".parac", "workflows")];

/** Whether a file is read as a flow; others are modules. */
export function isFlowFile(file: string): boolean {
  return FLOW_FILE.has(extname(file).toLowerCase());
}

/** What a name stands for. */
export type Named =
  | { readonly file: string; readonly name: string }
  | { readonly workflow: AnyWorkflow | Flow; readonly name: string };

/** Everything that can be run by name: the configuration's workflows and flows, and files in `flows/` and `.parac/workflows/`. */
export async function namedFlows(project: Project): Promise<Named[]> {
  const { workflows = [], flows = [] } = project.config;
  const objects = [...workflows, ...flows.filter((flow) => typeof flow !== "string")];
  const files = await flowFiles(project);
  const read = await Promise.all(files.map(async (file) => ({ file, name: await nameOf(file) })));
  return [...objects.map((workflow) => ({ workflow, name: workflow.name })), ...read];
}

/** The flow of a name, or of a file called like it. */
export function named(name: string, among: readonly Named[]): Named | undefined {
  return among.find((one) => one.name === name) ?? among.find((one) => "file" in one && stem(one.file) === name);
}

/** The file or workflow that a command's argument means. @throws PerdureError `INVALID_ARGUMENT` when there is none. */
export async function locate(project: Project, target: string): Promise<Named> {
  if (existsSync(target)) {
    if (statSync(target).isDirectory()) throw usageError(`${target} is a folder`, "name one of its files");
    return { file: target, name: target };
  }
  if (/[\\/]|\.(ya?ml|json|[cm]?[jt]s)$/.test(target)) throw usageError(`there is no file ${target}`);
  const known = await namedFlows(project);
  const found = named(target, known);
  if (found !== undefined) return found;
  const names = [...new Set(known.map(({ name }) => name))];
  const hint =
    names.length === 0
      ? `flows are looked for in ${FOLDERS.join(", ")} and perdure.config.ts`
      : `there is ${names.join(", ")}`;
  throw usageError(`there is no file and no flow ${JSON.stringify(target)}`, didYouMean(target, names) ?? hint);
}

async function flowFiles({ cwd, root, config }: Project): Promise<string[]> {
  const configured = (config.flows ?? []).filter((flow) => typeof flow === "string").map((path) => resolve(root, path));
  const parac = findUpward(cwd, [".parac"]);
  const usual = [...new Set([cwd, root, ...(parac === undefined ? [] : [dirname(parac)])])].flatMap((folder) =>
    FOLDERS.map((name) => join(folder, name)),
  );
  const found = new Set<string>();
  for (const path of [...configured, ...usual]) for (const file of await filesAt(path)) found.add(file);
  return [...found].map((file) => {
    const short = relative(cwd, file);
    return short.startsWith("..") ? file : short;
  });
}

async function filesAt(path: string): Promise<string[]> {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  const names = await readdir(path);
  return names
    .filter(isFlowFile)
    .sort()
    .map((name) => join(path, name));
}

async function nameOf(file: string): Promise<string> {
  try {
    return readFlow(await readFile(file, "utf8"), { file }).definition?.name ?? stem(file);
  } catch {
    return stem(file);
  }
}

function stem(file: string): string {
  return basename(file, extname(file));
}
