/** What a CPU profile says in a few lines: the functions that the time was spent in. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

const SHOWN = 25;
const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** The top of every profile in a folder, as text. */
export function reportProfiles(folder: string): string {
  const files = readdirSync(folder).filter((file) => file.endsWith(".cpuprofile"));
  return files.map((file) => reportProfile(join(folder, file))).join("\n");
}

function reportProfile(file: string): string {
  const profile = JSON.parse(readFileSync(file, "utf8")) as Profile;
  const selfUs = selfTimes(profile);
  const total = [...selfUs.values()].reduce((sum, us) => sum + us, 0);
  const busy = total - (selfUs.get("(idle)") ?? 0);
  const lines = [...selfUs]
    .filter(([name]) => name !== "(idle)")
    .sort((a, b) => b[1] - a[1])
    .slice(0, SHOWN)
    .map(
      ([name, us]) =>
        `  ${percent(us, busy)}  ${Math.round(us / 1000)
          .toString()
          .padStart(6)} ms  ${name}`,
    );
  const head = `${file}: ${(total / 1e6).toFixed(2)} s, busy ${percent(busy, total).trim()}; self time of what it is busy with:`;
  return [head, ...lines, ""].join("\n");
}

/** Microseconds by function. A sample's delta is the time since the one before, so it belongs to that one. */
function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  for (let i = 0; i < samples.length; i++) {
    const name = names.get(samples[i]!)!;
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i + 1] ?? 0));
  }
  return times;
}

function nameOf({ functionName, url, lineNumber }: ProfileNode["callFrame"]): string {
  const name = functionName === "" ? "(anonymous)" : functionName;
  if (url === "") return name;
  const place = url.startsWith("file:") ? relative(PROJECT, fileURLToPath(url)) : url;
  return `${name}  ${place}:${lineNumber + 1}`;
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1).padStart(5)}%`;
}
