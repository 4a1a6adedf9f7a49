/** The small drawings on cards, as SVG path data on a grid of 16 by 16, drawn with strokes. */
import type { StepStatus } from "../../core/status.ts";
import type { FlowStep } from "../model.ts";

/** A nut (work), a spark (an agent), a bell (a signal), a clock (a time). */
export const KIND_ICONS: Readonly<Record<FlowStep["kind"], string>> = {
  task: "M8 1.6 13.5 4.8v6.4L8 14.4 2.5 11.2V4.8ZM8 5.7a2.3 2.3 0 1 1 0 4.6a2.3 2.3 0 1 1 0-4.6Z",
  agent:
    "M6.8 2.6 8.2 6.8 12.4 8.2 8.2 9.6 6.8 13.8 5.4 9.6 1.2 8.2 5.4 6.8ZM12.7 1.4v3.4M11 3.1h3.4M13.2 11.8v2.4M12 13h2.4",
  signal:
    "M8 1.7a4.1 4.1 0 0 1 4.1 4.1c0 3.4 1.5 4.9 1.5 4.9H2.4s1.5-1.5 1.5-4.9A4.1 4.1 0 0 1 8 1.7ZM6.6 13.3a1.5 1.5 0 0 0 2.8 0",
  timer: "M8 1.8a6.2 6.2 0 1 1 0 12.4a6.2 6.2 0 1 1 0-12.4ZM8 4.6V8l2.5 1.6",
};

/** What a step came to: a tick, a cross, an arrow and so on, inside a filled disc. */
export const STATUS_ICONS: Readonly<Record<StepStatus, string>> = {
  pending: "M5 8h.01M8 8h.01M11 8h.01",
  running: "M6.6 5.2 10.9 8 6.6 10.8Z",
  completed: "M4.8 8.3 7.1 10.6 11.3 5.8",
  failed: "M5.4 5.4 10.6 10.6M10.6 5.4 5.4 10.6",
  skipped: "M4.8 5.4 7.8 8 4.8 10.6M8.4 5.4 11.4 8 8.4 10.6",
  timed_out: "M8 4.4V8l2.3 1.5",
  cancelled: "M5 8h6",
};
