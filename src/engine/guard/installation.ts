/**
 * The guard's changes to the process: made when the first engine with a guard opens, taken back when the last one closes. In
 * between everything outside of workflow code behaves as before.
 */
import { syncBuiltinESMExports } from "node:module";
import { effectPatches } from "./effects.ts";
import type { Patch } from "./patch.ts";
import { environmentPatches } from "./process-env.ts";
import { randomnessPatches } from "./randomness.ts";
import { timePatches } from "./time.ts";

let users = 0;
let patches: readonly Patch[] = [];

/** Installs the guard until the returned function is called. */
export function installGuard(): () => void {
  if (users === 0) install();
  users++;
  let released = false;
  return () => {
    if (released) return;
    released = true;
    if (--users === 0) uninstall();
  };
}

function install(): void {
  patches = [...timePatches(), ...randomnessPatches(), ...environmentPatches(), ...effectPatches()];
  for (const patch of patches) patch.apply();
  // What `import { readFile } from "node:fs"` sees.
  syncBuiltinESMExports();
}

function uninstall(): void {
  for (const patch of patches) patch.restore();
  patches = [];
  syncBuiltinESMExports();
}
