/**
 * What a run waits for that is no outcome: signals by their name, and predicates. Owner: the machine.
 *
 * A signal goes to the command that has waited for its name the longest. Predicates are asked in the order in which they were
 * registered (rule 6).
 */

interface Waiting {
  readonly id: number;
  readonly name: string;
}

export class Waits<Command extends Waiting> {
  readonly #forSignals = new Map<string, Command[]>();
  readonly #predicates = new Map<number, { readonly command: Command; readonly holds: () => boolean }>();

  /** Commands that wait for this signal, in the order in which they will get it. */
  of(signal: string): readonly number[] {
    return this.#forSignals.get(signal)?.map(({ id }) => id) ?? NONE;
  }

  forSignal(command: Command): void {
    const waiting = this.#forSignals.get(command.name);
    if (waiting === undefined) this.#forSignals.set(command.name, [command]);
    else waiting.push(command);
  }

  /** The command that gets the signal, and waits no more. */
  take(signal: string): Command | undefined {
    return this.#forSignals.get(signal)?.shift();
  }

  /** Waits until this is true. */
  until(command: Command, holds: () => boolean): void {
    this.#predicates.set(command.id, { command, holds });
  }

  /** The command waits no more. */
  remove({ id, name }: Command): void {
    if (this.#predicates.delete(id)) return;
    const waiting = this.#forSignals.get(name);
    const place = waiting?.findIndex((one) => one.id === id) ?? -1;
    if (place >= 0) waiting!.splice(place, 1);
  }

  clear(): void {
    this.#forSignals.clear();
    this.#predicates.clear();
  }

  /** Asks every predicate; those that `settled` takes are asked no more. True when there were some. */
  ask(settled: (command: Command, holds: () => boolean) => boolean): boolean {
    let any = false;
    for (const [id, { command, holds }] of this.#predicates) {
      if (!settled(command, holds)) continue;
      this.#predicates.delete(id);
      any = true;
    }
    return any;
  }
}

const NONE: readonly never[] = [];
