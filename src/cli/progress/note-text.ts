/** A note of a run in a line for people. */

const TEXTS: Readonly<Record<string, (data: Readonly<Record<string, unknown>>) => string>> = {
  "saga.compensating": ({ steps }) => `undoing ${Array.isArray(steps) ? steps.join(", ") : "its steps"}`,
  "saga.compensated": ({ step, status }) => (status === "completed" ? `undid ${step}` : `undoing ${step} failed`),
};

export function noteText(kind: string, data: Readonly<Record<string, unknown>>): string {
  return TEXTS[kind]?.(data) ?? `${kind} ${JSON.stringify(data)}`;
}
