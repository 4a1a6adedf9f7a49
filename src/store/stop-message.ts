/** How a parent stops a child. */
import type { ChildRow, NewMessage } from "./store.ts";

/** A message that asks a child to stop. Sent twice it is as good as sent once, whoever sends it. */
export function stopOf(child: ChildRow, kind: "cancel" | "terminate", data: string, at: number): NewMessage {
  return { run: child.run, kind, name: "", data, at, key: `parent:${child.generation}:${child.command}:${kind}` };
}
