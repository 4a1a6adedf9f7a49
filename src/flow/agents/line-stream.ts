/** Text that arrives in pieces, told line by line with bounded memory; the last lines are kept for error messages. */

/** A longer line is cut, and says so. */
const MAX_LINE = 2000;
/** What of one line is held while it grows; more than is shown, so that what is blanked out is seen whole. */
const MAX_HELD = 16_384;
const TAIL_LINES = 20;
const TAIL_CHARS = 4096;

/** Splits pieces of text into lines. */
export class LineStream {
  readonly #onLine: (line: string) => void;
  readonly #clean: (line: string) => string;
  readonly #tail: string[] = [];
  #partial = "";

  /** `clean` sees every line before it is cut, told or kept. */
  constructor(onLine: (line: string) => void, clean: (line: string) => string = (line) => line) {
    this.#onLine = onLine;
    this.#clean = clean;
  }

  /** Takes the next piece of text. */
  push(piece: string): void {
    const lines = piece.split("\n");
    const last = lines.pop() as string;
    for (const line of lines) {
      this.#grow(line);
      this.#flush();
    }
    this.#grow(last);
  }

  /** Tells what is left without a line end. */
  end(): void {
    if (this.#partial !== "") this.#flush();
  }

  /** The last lines, at most 20 of them and 4 KiB. */
  get tail(): string {
    const text = this.#tail.join("\n");
    return text.length > TAIL_CHARS ? `…${text.slice(-TAIL_CHARS)}` : text;
  }

  #grow(text: string): void {
    if (this.#partial.length < MAX_HELD) this.#partial += text.slice(0, MAX_HELD - this.#partial.length);
  }

  #flush(): void {
    const whole = this.#clean(this.#partial.replace(/\r$/, ""));
    this.#partial = "";
    const line = whole.length > MAX_LINE ? `${whole.slice(0, MAX_LINE)}…` : whole;
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    this.#onLine(line);
  }
}
