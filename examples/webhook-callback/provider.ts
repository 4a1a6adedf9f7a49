/** A payment provider in thirty lines: keeps what it was asked for in a file, and calls back until somebody answers. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

interface Payment {
  readonly token: string;
  readonly amount: number;
}

export class Provider {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  #payments(): Payment[] {
    return existsSync(this.#file) ? (JSON.parse(readFileSync(this.#file, "utf8")) as Payment[]) : [];
  }

  /** Takes a request. The token says which: asking twice is asking once. */
  async request(payment: Payment): Promise<void> {
    const others = this.#payments().filter(({ token }) => token !== payment.token);
    this.#keep([...others, payment]);
  }

  /** Killed in the middle, it leaves the file as it was. */
  #keep(payments: readonly Payment[]): void {
    writeFileSync(`${this.#file}.new`, JSON.stringify(payments));
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** Calls back for everything that was paid, every half second, until it is answered or gone. Returns what stops it. */
  deliver(url: string): () => void {
    const timer = setInterval(async () => {
      for (const { token, amount } of this.#payments()) {
        const body = JSON.stringify({ receipt: `receipt over ${amount} EUR` });
        const answer = await fetch(`${url}/${token}`, { method: "POST", body }).catch(() => undefined);
        if (answer === undefined || answer.status >= 500) continue;
        console.log(`the provider called back: ${answer.status}`);
        this.#keep(this.#payments().filter((payment) => payment.token !== token));
      }
    }, 500);
    return () => clearInterval(timer);
  }
}
