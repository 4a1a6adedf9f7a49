/** Colours of pictures. */
import type { StepStatus } from "../../core/status.ts";
import type { FlowStep } from "../model.ts";

/** The strong colour of something and its pale companion. */
export interface Tone {
  readonly strong: string;
  readonly pale: string;
}

/** All colours of a picture. */
export interface Theme {
  readonly background: string;
  readonly card: string;
  readonly border: string;
  readonly text: string;
  readonly muted: string;
  readonly edge: string;
  /** An edge that was taken, when it is known what happened. */
  readonly edgeTaken: string;
  readonly shadow: string;
  readonly kinds: Readonly<Record<FlowStep["kind"], Tone>>;
  readonly branches: Readonly<Record<"timeout" | "error", Tone>>;
  readonly statuses: Readonly<Record<StepStatus, Tone>>;
}

const light: Theme = {
  background: "#f8fafc",
  card: "#ffffff",
  border: "#d8e0ea",
  text: "#0f172a",
  muted: "#5b6b81",
  edge: "#9aa8bb",
  edgeTaken: "#475569",
  shadow: "#0f172a",
  kinds: {
    task: { strong: "#2563eb", pale: "#e8f0fe" },
    agent: { strong: "#7c3aed", pale: "#f1ebfe" },
    signal: { strong: "#b45309", pale: "#fdf1dc" },
    timer: { strong: "#0f766e", pale: "#def5f1" },
  },
  branches: {
    timeout: { strong: "#b45309", pale: "#fdf1dc" },
    error: { strong: "#dc2626", pale: "#fde8e8" },
  },
  statuses: {
    pending: { strong: "#94a3b8", pale: "#ffffff" },
    running: { strong: "#2563eb", pale: "#f3f7ff" },
    completed: { strong: "#16a34a", pale: "#f4fbf6" },
    failed: { strong: "#dc2626", pale: "#fef5f5" },
    skipped: { strong: "#94a3b8", pale: "#f8fafc" },
    timed_out: { strong: "#d97706", pale: "#fffaf0" },
    cancelled: { strong: "#64748b", pale: "#f8fafc" },
  },
};

const dark: Theme = {
  background: "#0b1120",
  card: "#151f32",
  border: "#2b3a52",
  text: "#e6edf6",
  muted: "#9aabc2",
  edge: "#52647e",
  edgeTaken: "#a9b8cc",
  shadow: "#000000",
  kinds: {
    task: { strong: "#7ab0ff", pale: "#1a2f55" },
    agent: { strong: "#b79cff", pale: "#2c2455" },
    signal: { strong: "#fbbf4a", pale: "#3d2e12" },
    timer: { strong: "#3fd6c2", pale: "#123a3a" },
  },
  branches: {
    timeout: { strong: "#fbbf4a", pale: "#3d2e12" },
    error: { strong: "#ff8080", pale: "#451f26" },
  },
  statuses: {
    pending: { strong: "#64748b", pale: "#151f32" },
    running: { strong: "#5b9bff", pale: "#16233f" },
    completed: { strong: "#3fc873", pale: "#14282a" },
    failed: { strong: "#ff6b6b", pale: "#2a1c2a" },
    skipped: { strong: "#64748b", pale: "#0f182a" },
    timed_out: { strong: "#f5a524", pale: "#28241f" },
    cancelled: { strong: "#8494aa", pale: "#131c2d" },
  },
};

/** The themes a picture can have. */
export const THEMES: Readonly<Record<"light" | "dark", Theme>> = { light, dark };
