/** `perdure graph`: a flow as a picture. */
import { writeFile } from "node:fs/promises";
import { extname } from "node:path";
import { closest } from "../../core/suggestion.ts";
import type { FlowDefinition } from "../../flow/model.ts";
import { flowToDot } from "../../flow/picture/dot.ts";
import { flowToMermaid } from "../../flow/picture/mermaid.ts";
import { flowToSvg } from "../../flow/picture/svg.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findFlow } from "../flow-target.ts";
import { loadProject } from "../project.ts";
import { usageError } from "../usage-error.ts";

export const graph: Command = {
  name: "graph",
  summary: "draw a flow as Mermaid, SVG or DOT",
  usage: "FILE|NAME [--format mermaid|svg|dot] [--out PATH]",
  options: {
    format: {
      short: "f",
      value: "FORMAT",
      help: "mermaid, svg or dot (default: by the ending of --out, else mermaid)",
    },
    out: { short: "o", value: "PATH", help: "file to write (default: standard output)" },
    theme: { value: "THEME", help: "light (default) or dark, for SVG" },
    workflow: { short: "w", value: "NAME", help: "which flow of a module that exports several" },
  },
  examples: [
    ["perdure graph flows/etl.yaml --out etl.svg", "a picture for a browser or a README"],
    ["perdure graph etl --format mermaid", "text that GitHub draws by itself"],
    ["perdure graph etl -f dot | dot -Tpng > etl.png", "through Graphviz"],
  ],
  run: runGraph,
};

const FORMATS = ["mermaid", "svg", "dot"] as const;
type Format = (typeof FORMATS)[number];
const BY_ENDING: Readonly<Record<string, Format>> = {
  ".svg": "svg",
  ".dot": "dot",
  ".gv": "dot",
  ".mmd": "mermaid",
  ".mermaid": "mermaid",
};

async function runGraph(invocation: Invocation): Promise<number> {
  const { args, terminal, json } = invocation;
  const target = args.only("FILE");
  const out = args.text("out");
  const format = formatOf(args.text("format"), out);
  const theme = themeOf(args.text("theme"));
  const { flow } = await findFlow(await loadProject(invocation), target, { workflow: args.text("workflow") });
  const text = draw(flow.model, format, theme);
  if (out === undefined) {
    if (json) terminal.line(JSON.stringify({ name: flow.name, format, text }));
    else terminal.write(text.endsWith("\n") ? text : `${text}\n`);
    return EXIT.ok;
  }
  await writeFile(out, text).catch((error: Error) => {
    throw usageError(`${out} cannot be written: ${error.message}`);
  });
  terminal.line(json ? JSON.stringify({ name: flow.name, format, out }) : `${terminal.styles.green("✔")} ${out}`);
  return EXIT.ok;
}

function draw(definition: FlowDefinition, format: Format, theme: "light" | "dark"): string {
  if (format === "svg") return flowToSvg(definition, { theme });
  return format === "dot" ? flowToDot(definition) : flowToMermaid(definition);
}

function formatOf(given: string | undefined, out: string | undefined): Format {
  if (given === undefined) return BY_ENDING[extname(out ?? "").toLowerCase()] ?? "mermaid";
  const format = FORMATS.find((one) => one === given);
  if (format !== undefined) return format;
  const near = closest(given, FORMATS);
  throw usageError(
    `--format is ${FORMATS.join(", ")}, not ${JSON.stringify(given)}`,
    near === undefined ? undefined : `did you mean ${near}?`,
  );
}

function themeOf(given: string | undefined): "light" | "dark" {
  if (given === undefined || given === "light" || given === "dark") return given ?? "light";
  throw usageError(`--theme is light or dark, not ${JSON.stringify(given)}`);
}
