/** `perdure plan`: what a flow will do, without doing it. */
import { formatDuration } from "../../core/duration.ts";
import type { FlowDefinition, FlowStep } from "../../flow/model.ts";
import { detailOf, remarksOf } from "../../flow/picture/step-text.ts";
import { type FlowPlan, planFlow } from "../../flow/plan.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { findFlow } from "../flow-target.ts";
import { loadProject } from "../project.ts";
import type { Terminal } from "../terminal.ts";
import { cellWidth, padCells } from "../text/cell-width.ts";
import { type Part, renderLine, type StyledLine } from "../text/styled-line.ts";

export const plan: Command = {
  name: "plan",
  summary: "what a flow will do: levels, gates, branches",
  usage: "FILE|NAME",
  description:
    "Reads the flow and shows which steps run side by side, where it waits, and what starts only on a timeout or an error.",
  options: { workflow: { short: "w", value: "NAME", help: "which flow of a module that exports several" } },
  examples: [
    ["perdure plan flows/etl.yaml", "show the plan of a flow"],
    ["perdure plan etl --json | jq .levels", "the levels of a flow by its name"],
  ],
  run: runPlan,
};

async function runPlan(invocation: Invocation): Promise<number> {
  const { args, terminal, json } = invocation;
  const target = args.only("FILE");
  const { flow } = await findFlow(await loadProject(invocation), target, { workflow: args.text("workflow") });
  const planned = planFlow(flow.model);
  if (json) terminal.line(JSON.stringify({ name: flow.name, ...planned }));
  else
    for (const line of planLines(flow.model, planned))
      terminal.line(renderLine(line, terminal.styles, width(terminal)));
  return EXIT.ok;
}

function width({ live, columns }: Terminal): number {
  return live ? columns : Number.POSITIVE_INFINITY;
}

function planLines(definition: FlowDefinition, planned: FlowPlan): StyledLine[] {
  const { name, description } = definition;
  return [
    [["bold", name], ...(description === undefined ? [] : [`: ${description.trim()}`])],
    [["dim", facts(definition, planned).join(" · ")]],
    [],
    ...levelLines(definition, planned),
    ...section("waits", planned.gates.map(gateLine)),
    ...section("only if needed", planned.branches.map(branchLine)),
    [],
    [["dim", "longest path  "], planned.longestPath.join(" → ")],
  ];
}

function facts({ steps, timeoutMs, maxParallel }: FlowDefinition, { levels, widest }: FlowPlan): string[] {
  return [
    `${steps.length} ${steps.length === 1 ? "step" : "steps"} in ${levels.length} ${levels.length === 1 ? "level" : "levels"}`,
    ...(widest > 1 ? [`up to ${Math.min(widest, maxParallel ?? widest)} side by side`] : []),
    ...(timeoutMs === undefined ? [] : [`timeout ${formatDuration(timeoutMs)}`]),
  ];
}

function levelLines({ steps }: FlowDefinition, { levels }: FlowPlan): StyledLine[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const names = Math.max(...steps.map(({ id }) => cellWidth(id)));
  const kinds = Math.max(...steps.map((step) => cellWidth(`${step.kind} ${detailOf(step)}`)));
  const digits = String(levels.length).length;
  return levels.flatMap((level, i) =>
    level.map((id, at): StyledLine => {
      const step = byId.get(id)!;
      const number = at === 0 ? String(i + 1).padStart(digits) : " ".repeat(digits);
      const last = aside(step);
      const work: Part = [KIND_STYLE[step.kind], `${step.kind} ${detailOf(step)}`];
      const padded: Part = last === "" ? work : [work[0] as "dim", padCells(work[1]!, Math.min(kinds, 40))];
      return [
        ["dim", `${number} ${bracket(at, level.length)} `],
        padCells(id, names),
        "  ",
        padded,
        ...(last === "" ? [] : [["dim", `  ${last}`] as const]),
      ];
    }),
  );
}

const KIND_STYLE = { task: "cyan", agent: "cyan", signal: "yellow", timer: "yellow" } as const;

function bracket(at: number, count: number): string {
  if (count === 1) return "─";
  return at === 0 ? "┌" : at === count - 1 ? "└" : "│";
}

function aside(step: FlowStep): string {
  const after = step.dependsOn.length === 0 ? [] : [`after ${step.dependsOn.join(", ")}`];
  return [...after, ...remarksOf(step).map(({ text }) => text)].join(" · ");
}

function gateLine(gate: FlowPlan["gates"][number]): StyledLine {
  if (gate.kind === "timer") {
    const when =
      gate.cron === undefined ? formatDuration(gate.delayMs ?? 0) : `until ${gate.cron} (${gate.timezone ?? "UTC"})`;
    return ["  ", ["yellow", gate.step], ` waits ${when}`];
  }
  const limit = gate.timeoutMs === undefined ? "without a limit" : `up to ${formatDuration(gate.timeoutMs)}`;
  const then = gate.onTimeout === undefined ? "" : `, then ${gate.onTimeout}`;
  return ["  ", ["yellow", gate.step], ` waits for signal ${gate.signal}, ${limit}${then}`];
}

function branchLine({ from, to, on }: FlowPlan["branches"][number]): StyledLine {
  return ["  ", ["magenta", to], on === "timeout" ? ` when ${from} times out` : ` when ${from} fails`];
}

function section(title: string, lines: readonly StyledLine[]): StyledLine[] {
  return lines.length === 0 ? [] : [[], [["dim", title]], ...lines];
}
