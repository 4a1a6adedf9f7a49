/** A flow in the language of Graphviz. */
import type { FlowDefinition, FlowStep } from "../model.ts";
import { detailOf, drawableSteps, edgesOf, oneLine, remarksOf } from "./step-text.ts";
import { THEMES } from "./theme.ts";

/** Timers and signals differ from work by their shape, for prints without colour. */
const SHAPES: Readonly<Record<FlowStep["kind"], string>> = {
  task: "box",
  agent: "box",
  signal: "hexagon",
  timer: "octagon",
};

/**
 * The text of a Graphviz digraph: a node for each step, dashed edges where a step starts on a timeout or an error.
 *
 * @example
 * flowToDot(definition) // pipe it through: dot -Tsvg
 */
export function flowToDot(definition: FlowDefinition): string {
  const { kinds, branches, text, edge } = THEMES.light;
  const nodes = drawableSteps(definition).map((step) => {
    const { strong, pale } = kinds[step.kind];
    return `  ${quoted(step.id)} [label=${label(step)}, shape=${SHAPES[step.kind]}, color="${strong}", fillcolor="${pale}"];`;
  });
  const edges = edgesOf(definition).map(({ from, to, on }) => {
    const look =
      on === undefined
        ? ""
        : ` [style=dashed, label="on ${on}", color="${branches[on].strong}", fontcolor="${branches[on].strong}"]`;
    return `  ${quoted(from)} -> ${quoted(to)}${look};`;
  });
  return `${[
    `digraph ${quoted(definition.name)} {`,
    "  rankdir=TB;",
    `  node [style="rounded,filled", fontname="Helvetica,Arial,sans-serif", fontsize=11, fontcolor="${text}", margin="0.2,0.1"];`,
    `  edge [fontname="Helvetica,Arial,sans-serif", fontsize=9, color="${edge}"];`,
    ...nodes,
    ...edges,
    "}",
  ].join("\n")}\n`;
}

function label(step: FlowStep): string {
  const lines = [step.id, detailOf(step), ...remarksOf(step).map((remark) => remark.text)];
  return `"${lines.map(escaped).join("\\n")}"`;
}

function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

/** Graphviz reads words of its own after a backslash (`\N`), and HTML entities. */
function escaped(text: string): string {
  return oneLine(text).replace(/\p{C}/gu, "\ufffd").replace(/&/g, "&amp;").replace(/["\\]/g, "\\$&");
}
