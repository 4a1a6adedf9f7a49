/** Who called something that is guarded, read from the stack: the author's line, a library, or machinery of the process. */
import { fileURLToPath } from "node:url";

/** Where a guarded thing was used. */
export interface CallSite {
  /** File, line and column of the author's code; undefined when the stack does not tell. */
  readonly place: string | undefined;
  /** The package that made the call on behalf of the author's code. */
  readonly through: string | undefined;
  /** It was not workflow code that asked, but something that loads, prints or traces it. */
  readonly machinery: boolean;
}

/** Deep enough to find the author's line behind the frames of a library. */
const FRAMES = 60;

/** Loading a module late, printing with `console` and formatting a stack happen beside the code and decide nothing in it. */
const BESIDE =
  /\(?node:(?:internal\/(?:modules|bootstrap\/realm|console|util\/(?:inspect|colors|debuglog)|fs\/sync_write_stream|tty|source_map)|tty)\b|\bprepareStackTrace\b/;
/** So does tracing, where it acts for itself: its instrumentations pass on what the code calls. */
const TRACING = /[\\/]node_modules[\\/]@opentelemetry[\\/](?!instrumentation)/;

/** Where this package lies: its own frames are nobody's code. */
const OWN = new URL("../..", import.meta.url).href;
const OWN_PATH = OWN.startsWith("file:") ? fileURLToPath(OWN) : OWN;

const PACKAGE = /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/;

/** Looks at the stack below `caller`, a function that is running. */
export function callSite(caller: CallableFunction): CallSite {
  const frames = stackBelow(caller);
  const foreign = frames.map(locationOf).filter((location) => location !== undefined);
  if (frames.some((frame) => BESIDE.test(frame)) || TRACING.test(foreign[0] ?? ""))
    return { place: undefined, through: undefined, machinery: true };
  const author = foreign.find((location) => !PACKAGE.test(location) && !isOwn(location)) ?? foreign[0];
  const through = foreign[0] === author ? undefined : PACKAGE.exec(foreign[0] ?? "")?.[1];
  return { place: author?.replace(/^file:\/\//, ""), through, machinery: false };
}

/** The frames of the running stack, without the asynchronous ones: those wait, they did not call. */
function stackBelow(caller: CallableFunction): string[] {
  const probe = new Error();
  withFrames(FRAMES, () => Error.captureStackTrace(probe, caller));
  const { stack } = probe as { stack?: unknown };
  if (typeof stack !== "string") return [];
  return stack
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at ") && !line.startsWith("at async "));
}

/** Where the limit may not be changed, the usual frames have to do. */
function withFrames(limit: number, act: () => void): void {
  const before = Error.stackTraceLimit;
  Reflect.set(Error, "stackTraceLimit", limit);
  act();
  Reflect.set(Error, "stackTraceLimit", before);
}

/** The location in a frame, unless it is Node's own or native code. */
function locationOf(frame: string): string | undefined {
  const open = frame.lastIndexOf(" (");
  const location = frame.endsWith(")") && open >= 0 ? frame.slice(open + 2, -1) : frame.slice("at ".length);
  return /:\d+$/.test(location) && !location.startsWith("node:") ? location : undefined;
}

function isOwn(location: string): boolean {
  return location.startsWith(OWN) || location.startsWith(OWN_PATH);
}
