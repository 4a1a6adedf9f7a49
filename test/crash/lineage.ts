/** One engine process after the other, as a process manager would have it: when one ends, the next is started at once. */
import type { CrashSite } from "./crash-site.ts";
import { type EngineProcess, Gone, type ProcessOptions } from "./engine-process.ts";

export class Lineage {
  readonly #site: CrashSite;
  readonly #options: Partial<ProcessOptions>;
  #child: EngineProcess;
  #stopped = false;
  /** How many processes of the line have ended. */
  deaths = 0;

  constructor(site: CrashSite, options: Partial<ProcessOptions> = {}) {
    this.#site = site;
    this.#options = options;
    this.#child = this.#spawn();
  }

  get child(): EngineProcess {
    return this.#child;
  }

  #spawn(): EngineProcess {
    const child = this.#site.spawn(this.#options);
    void child.exited.then(() => {
      this.deaths++;
      if (!this.#stopped) this.#child = this.#spawn();
    });
    return child;
  }

  /** Asks whatever process lives, until one has answered. */
  async ask<T = void>(op: string, ...args: unknown[]): Promise<T> {
    for (;;) {
      const child = this.#child;
      try {
        await child.ready;
        return await child.ask<T>(op, ...args);
      } catch (error) {
        if (!(error instanceof Gone) || this.#stopped) throw error;
        while (this.#child === child) await new Promise(setImmediate);
      }
    }
  }

  /** No more restarts; what lives goes on. */
  stop(): EngineProcess {
    this.#stopped = true;
    return this.#child;
  }
}
