/** Where output goes, and what it may look like: width, colours, whether lines can be redrawn. */
import { createColors } from "picocolors";

type Formatter = (text: string) => string;

/** The few styles that are used. */
export interface Styles {
  readonly bold: Formatter;
  readonly dim: Formatter;
  readonly red: Formatter;
  readonly green: Formatter;
  readonly yellow: Formatter;
  readonly cyan: Formatter;
  readonly magenta: Formatter;
}

/** Standard output and error of this process. */
export interface Terminal {
  readonly styles: Styles;
  /** Styles for standard error, which may go elsewhere. */
  readonly errorStyles: Styles;
  /** Whether lines that were written can be redrawn. */
  readonly live: boolean;
  readonly columns: number;
  readonly rows: number;
  /** Calls back when nobody reads standard output any more. */
  onClosed(listener: () => void): void;
  /** Writes a line to standard output. */
  line(text?: string): void;
  /** Writes to standard output as it is. */
  write(text: string): void;
  /** Writes a line to standard error. */
  error(text: string): void;
}

const MIN_COLUMNS = 40;
const PLAIN_COLUMNS = 100;
const PLAIN_ROWS = 40;

/** The terminal of this process. A reader that goes away (`| head`) is no error: what comes after it is dropped. */
export function processTerminal(options: { readonly color: boolean }): Terminal {
  const { stdout, stderr } = process;
  let closed = false;
  const listeners: (() => void)[] = [];
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    closed = true;
    for (const listener of listeners) listener();
  });
  stderr.on("error", () => {});
  const write = (text: string): void => {
    if (!closed) stdout.write(text);
  };
  const dumb = process.env.TERM === "dumb";
  const wanted = options.color && !set("NO_COLOR") && !dumb;
  return {
    styles: createColors(wanted && (stdout.isTTY === true || set("FORCE_COLOR"))),
    errorStyles: createColors(wanted && (stderr.isTTY === true || set("FORCE_COLOR"))),
    live: stdout.isTTY === true && !dumb && !set("NO_COLOR") && !set("CI"),
    get columns() {
      return Math.max(MIN_COLUMNS, stdout.columns ?? PLAIN_COLUMNS);
    },
    get rows() {
      return stdout.rows ?? PLAIN_ROWS;
    },
    onClosed: (listener) => void listeners.push(listener),
    line: (text = "") => write(`${text}\n`),
    write,
    error: (text) => void stderr.write(`${text}\n`),
  };
}

function set(name: string): boolean {
  const value = process.env[name];
  return value !== undefined && value !== "" && value !== "0";
}
