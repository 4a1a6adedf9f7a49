/** A picture at the end of the terminal that is redrawn in place. Owner: the command; it must be closed to give the cursor back. */
import type { Terminal } from "../terminal.ts";
import { renderLine, type StyledLine } from "../text/styled-line.ts";

const FRAME_MS = 100;
const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const ERASE_DOWN = "\u001b[0J";

export class LiveScreen {
  readonly #terminal: Terminal;
  readonly #draw: () => readonly StyledLine[];
  readonly #timer: NodeJS.Timeout;
  readonly #showCursor = (): void => this.#terminal.write(SHOW_CURSOR);
  #closed = false;
  #height = 0;
  #shown = "";

  /** Draws at once, and again ten times a second. */
  constructor(terminal: Terminal, draw: () => readonly StyledLine[]) {
    this.#terminal = terminal;
    this.#draw = draw;
    terminal.write(HIDE_CURSOR);
    process.once("exit", this.#showCursor);
    this.#timer = setInterval(() => this.redraw(), FRAME_MS);
    this.redraw();
  }

  /** Brings the picture up to date. */
  redraw(): void {
    const { columns, rows, styles } = this.#terminal;
    const lines = this.#draw().slice(0, Math.max(1, rows - 1));
    const frame = lines.map((line) => `${renderLine(line, styles, columns - 1)}\n`).join("");
    if (frame === this.#shown) return;
    this.#terminal.write(this.#erase() + frame);
    this.#shown = frame;
    this.#height = lines.length;
  }

  /** Prints a line above the picture. */
  print(text: string): void {
    this.#terminal.write(`${this.#erase()}${text}\n`);
    this.#shown = "";
    this.#height = 0;
    this.redraw();
  }

  /** Draws the last time and leaves the picture where it is. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.redraw();
    process.removeListener("exit", this.#showCursor);
    this.#terminal.write(SHOW_CURSOR);
  }

  #erase(): string {
    return this.#height === 0 ? "" : `\u001b[${this.#height}F${ERASE_DOWN}`;
  }
}
