/** Reading flows from text and from JSON: one way in for YAML, our JSON form and the dictionary form. */
import { dirname } from "node:path";
import { dictPath, isDict, readDict } from "./definition-dict.ts";
import { readDefinition } from "./definition-json.ts";
import { type Flow, flowOf } from "./flow.ts";
import { readText } from "./flow-text.ts";
import type { FlowDefinition, Problem, ProblemCode } from "./model.ts";
import { type Finding, formatPath, hasErrors, type Locate, type Path, placed } from "./problem.ts";
import { DICT_SCHEMA, FLOW_SCHEMA } from "./schema.ts";
import { checkStructure } from "./structure.ts";
import { assertValid, checkDefinition, type KnownNames } from "./validation.ts";

/** Options of reading. Known names are checked when they are given. */
export interface ReadOptions extends KnownNames {
  /** Name of the file, for messages. */
  readonly file?: string;
  /** Folder in which the programs of the flow's own agents run. Default: that of the file, else the current one. */
  readonly baseDir?: string;
  /** Name for flows in the dictionary form, which has none. Default: the file's name without its ending. */
  readonly name?: string;
}

/** What reading gave: the definition unless there are errors, and all problems, in the order of the file. */
export interface FlowReading {
  readonly definition?: FlowDefinition;
  readonly problems: readonly Problem[];
}

/** Reads YAML or JSON text and checks it. Never throws. */
export function readFlow(text: string, options: ReadOptions = {}): FlowReading {
  const { value, findings, locate } = readText(text);
  return value === undefined
    ? { problems: placed(findings, placing(options, locate)) }
    : check(value, findings, options, locate);
}

/**
 * Reads YAML or JSON text as a flow that can be started.
 *
 * @throws PerdureError `INVALID_ARGUMENT` that lists all problems with file, line and column.
 *
 * @example const etl = parseFlow(await readFile("etl.yaml", "utf8"), { file: "etl.yaml" });
 */
export function parseFlow<I = unknown, O = unknown>(text: string, options: ReadOptions = {}): Flow<I, O> {
  return usable(readFlow(text, options), options);
}

/**
 * Makes a flow of its JSON: what `toJSON()` gave, a parsed flow file, the dictionary form, or the text of any of them.
 *
 * @throws PerdureError `INVALID_ARGUMENT` that lists all problems.
 */
export function flowFromJSON<I = unknown, O = unknown>(json: unknown, options: ReadOptions = {}): Flow<I, O> {
  if (typeof json === "string") return parseFlow(json, options);
  return usable(check(JSON.parse(JSON.stringify(json) ?? "null"), [], options), options);
}

/** Makes a flow of the dictionary form, which has no name. @throws PerdureError `INVALID_ARGUMENT`. */
export function flowFromDict<I = unknown, O = unknown>(dict: unknown, name: string): Flow<I, O> {
  const options = { name };
  return usable(checkDict(JSON.parse(JSON.stringify(dict) ?? "null"), [], options), options);
}

function usable<I, O>(reading: FlowReading, options: ReadOptions): Flow<I, O> {
  const name = reading.definition?.name ?? options.file ?? options.name ?? "";
  assertValid(name === "" ? "without name" : name, reading.problems);
  return flowOf<I, O>(reading.definition!, {
    baseDir: options.baseDir ?? (options.file === undefined ? "." : dirname(options.file)),
  });
}

function check(value: unknown, syntax: readonly Finding[], options: ReadOptions, locate?: Locate): FlowReading {
  if (isDict(value)) return checkDict(value, syntax, options, locate);
  const structure = checkStructure(value, FLOW_SCHEMA);
  const { definition, findings, partial } = readDefinition(value);
  const semantic = checkDefinition(definition, options, partial);
  return reading(definition, [...syntax, ...merged(structure, [...findings, ...semantic])], options, locate);
}

function checkDict(value: unknown, syntax: readonly Finding[], options: ReadOptions, locate?: Locate): FlowReading {
  const structure = checkStructure(value, DICT_SCHEMA);
  const { definition, findings } = readDict(value, options.name ?? baseName(options.file) ?? "flow");
  const semantic = checkDefinition(definition, options).map((finding) => ({
    ...finding,
    path: dictPath(finding.path),
  }));
  return reading(definition, [...syntax, ...merged([...structure, ...findings], semantic)], options, locate);
}

function reading(
  definition: FlowDefinition,
  findings: readonly Finding[],
  options: ReadOptions,
  locate?: Locate,
): FlowReading {
  const problems = placed(findings, placing(options, locate));
  return hasErrors(problems) ? { problems } : { definition, problems };
}

/**
 * Both checks may see the same mistake. Where a value is missing or of the wrong kind, the structure says so and the meaning
 * only sees something empty; where it is of the right kind, the meaning has the better words.
 */
function merged(structure: readonly Finding[], semantic: readonly Finding[]): Finding[] {
  const absent = new Set(
    structure.filter(({ code, path }) => ABSENT.has(code) && !isStep(path, code)).map(({ path }) => formatPath(path)),
  );
  const both = [...structure, ...semantic];
  const schedule = both.some(({ code, path }) => path[0] === "schedule" && code !== "bad_schedule");
  const hidden = ({ code, path }: Finding): boolean => {
    if (code === "bad_schedule") return schedule;
    if (!EMPTY.has(code)) return false;
    const above = path.some((_, length) => absent.has(formatPath(path.slice(0, length))));
    return above || (code !== "timer_choice" && absent.has(formatPath(path)));
  };
  const kept = semantic.filter((finding) => !hidden(finding));
  const told = new Set(kept.map(({ path }) => formatPath(path)));
  return [...structure.filter(({ code, path }) => !(REPLACED.has(code) && told.has(formatPath(path)))), ...kept];
}

/** A step that only lacks what kind it is has other parts that can be checked. */
function isStep(path: Path, code: ProblemCode): boolean {
  return code === "missing_key" && path.length === 2 && typeof path[1] === "number";
}

/** What the structure says of values that are not there or of the wrong kind. */
const ABSENT: ReadonlySet<string> = new Set(["missing_key", "wrong_type"]);
/** What the meaning then says of the same. */
const EMPTY: ReadonlySet<string> = new Set(["empty_name", "bad_id", "no_steps", "timer_choice"]);
/** What the structure says less well than the meaning. */
const REPLACED: ReadonlySet<string> = new Set(["wrong_type", "bad_duration", "bad_value", "missing_key"]);

function placing(options: ReadOptions, locate?: Locate): { file?: string; locate?: Locate } {
  return { ...(options.file !== undefined && { file: options.file }), ...(locate !== undefined && { locate }) };
}

function baseName(file: string | undefined): string | undefined {
  const name = file
    ?.split(/[\\/]/)
    .at(-1)
    ?.replace(/\.[^.]*$/, "");
  return name === "" ? undefined : name;
}
