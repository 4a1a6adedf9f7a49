/** Users' TypeScript and JavaScript files, loaded as they are: no build step, no dependency on a `node_modules` beside them. */
import { existsSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";
import { createJiti } from "jiti";
import { PerdureError } from "../../core/errors.ts";

/** Entry points of this package that a loaded file may import; it gets the running ones, not copies. */
const OWN_MODULES: Readonly<Record<string, string>> = {
  perdure: "../../index",
  "perdure/flow": "../../flow/index",
  "perdure/store": "../../store/index",
};

/**
 * Imports a TypeScript or JavaScript file and returns its exports. Each call reads the file and what it imports anew.
 *
 * @throws PerdureError `INVALID_ARGUMENT` naming the file, the line where known, and the error as its cause.
 */
export async function loadModule(file: string): Promise<Readonly<Record<string, unknown>>> {
  const path = resolve(file);
  if (!existsSync(path)) throw new PerdureError("INVALID_ARGUMENT", `${file} does not exist`, { details: { file } });
  const jiti = createJiti(`${dirname(path)}/`, {
    interopDefault: false,
    moduleCache: false,
    // The cache on disk is shared with other loaders of other settings, whose transforms would not fit.
    fsCache: false,
    virtualModules: await ownModules(),
  });
  try {
    return await jiti.import<Record<string, unknown>>(path);
  } catch (cause) {
    throw loadError(file, path, cause);
  }
}

async function ownModules(): Promise<Record<string, unknown>> {
  const extension = extname(import.meta.url);
  const loaded = Object.entries(OWN_MODULES).map(async ([name, path]) => {
    const url = new URL(path + extension, import.meta.url).href;
    return [name, await import(/* @vite-ignore */ url)] as const;
  });
  return Object.fromEntries(await Promise.all(loaded));
}

function loadError(file: string, path: string, cause: unknown): PerdureError {
  const text = cause instanceof Error ? `${cause.message}\n${cause.stack ?? ""}` : String(cause);
  const at = text.indexOf(`${path}:`);
  const [, line, column] = (at >= 0 && /^:(\d+)(?::(\d+))?/.exec(text.slice(at + path.length))) || [];
  const where = [file, line, column].filter((part) => part !== undefined).join(":");
  const message = cause instanceof Error ? firstLines(cause.message, path) : text;
  return new PerdureError("INVALID_ARGUMENT", `${where}: cannot be loaded: ${message}`, {
    cause,
    details: {
      file,
      ...(line !== undefined && { line: Number(line) }),
      ...(column !== undefined && { column: Number(column) }),
    },
  });
}

/** The message without the list of requiring files and positions that follow it. */
function firstLines(message: string, path: string): string {
  const [first = ""] = message.split(/\n\s*Require stack:/);
  return first
    .replace(/^ParseError:\s*/, "")
    .split("\n")
    .filter((line) => !line.includes(`${path}:`))
    .join("\n")
    .trim();
}
