/** A flow as a Mermaid flowchart, for README files and wikis that draw it. */
import type { FlowDefinition, FlowStep } from "../model.ts";
import { detailOf, drawableSteps, edgesOf, oneLine, remarksOf } from "./step-text.ts";
import { THEMES } from "./theme.ts";

/** What stands around a label, by kind: box, stadium, hexagon, rounded box. */
const SHAPES: Readonly<Record<FlowStep["kind"], readonly [open: string, close: string]>> = {
  task: ["[", "]"],
  agent: ["([", "])"],
  signal: ["{{", "}}"],
  timer: ["(", ")"],
};

/**
 * The text of a Mermaid flowchart: a node for each step, dotted arrows where a step starts on a timeout or an error. Names and
 * conditions cannot break out of their labels.
 *
 * @example
 * flowToMermaid(definition) // "---\ntitle: …\n---\nflowchart TD\n  s0[\"extract…\"]\n…"
 */
export function flowToMermaid(definition: FlowDefinition): string {
  const steps = drawableSteps(definition);
  const nodes = new Map(steps.map((step, i) => [step.id, `s${i}`]));
  const drawn = steps.map((step) => {
    const [open, close] = SHAPES[step.kind];
    return `  ${nodes.get(step.id)}${open}"${label(step)}"${close}:::${step.kind}`;
  });
  const arrows = edgesOf(definition).map(({ from, to, on }) => {
    const arrow = on === undefined ? "-->" : `-.->|on ${on}|`;
    return `  ${nodes.get(from)} ${arrow} ${nodes.get(to)}`;
  });
  const kinds = [...new Set(steps.map((step) => step.kind))];
  const styles = kinds.map((kind) => {
    const { strong, pale } = THEMES.light.kinds[kind];
    return `  classDef ${kind} fill:${pale},stroke:${strong},color:${THEMES.light.text}`;
  });
  const title = ["---", `title: ${quoted(definition.name)}`, "---"];
  return `${[...title, "flowchart TD", ...drawn, ...arrows, ...styles].join("\n")}\n`;
}

function label(step: FlowStep): string {
  const lines = [step.id, detailOf(step), ...remarksOf(step).map((remark) => remark.text)];
  return lines.map((line) => escapeLabel(oneLine(line))).join("<br/>");
}

/** Letters, digits and harmless signs stay; anything that could mean something to Mermaid or HTML is named by its number. */
function escapeLabel(text: string): string {
  return text.replace(/[^\p{L}\p{N} _.,:/!?*+=-]/gu, (char) => `#${char.codePointAt(0)};`);
}

/** A YAML text in double quotes. What is no plain sign is named by its number, so that no directive can hide in it. */
function quoted(text: string): string {
  return `"${oneLine(text).replace(/[^\p{L}\p{N} _.,:/-]/gu, unicodeEscapes)}"`;
}

function unicodeEscapes(char: string): string {
  return Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join(
    "",
  );
}
