/**
 * Who waits for something that only a few may have: in the order of coming, but of each run one in its turn, so that a run with a
 * thousand entries holds up nobody. Every operation takes constant time.
 */

/** A doubly linked list that its entries can leave from anywhere. */
class Chain<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  get first(): T | undefined {
    return this.#first?.value;
  }

  push(value: T): Link<T> {
    const link: Link<T> = { value, before: this.#last, after: undefined };
    if (this.#last === undefined) this.#first = link;
    else this.#last.after = link;
    this.#last = link;
    return link;
  }

  remove(link: Link<T>): void {
    if (link.before === undefined) this.#first = link.after;
    else link.before.after = link.after;
    if (link.after === undefined) this.#last = link.before;
    else link.after.before = link.before;
  }
}

interface Link<T> {
  readonly value: T;
  before: Link<T> | undefined;
  after: Link<T> | undefined;
}

/** The entries of one run, and its place among the runs. */
interface Group<T> {
  readonly run: number;
  readonly entries: Chain<T>;
  place: Link<Group<T>>;
}

/** Leaves the line. Only once, and not after the entry was taken. */
export type Leave = () => void;

export class FairLine<T> {
  readonly #groups = new Map<number, Group<Entry<T>>>();
  readonly #order = new Chain<Group<Entry<T>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Puts an entry of a run at the end of those of its run. */
  join(run: number, value: T): Leave {
    let group = this.#groups.get(run);
    if (group === undefined) {
      group = { run, entries: new Chain(), place: NOWHERE as Link<Group<Entry<T>>> };
      group.place = this.#order.push(group);
      this.#groups.set(run, group);
    }
    const entry: Entry<T> = { value, link: NOWHERE as Link<Entry<T>> };
    entry.link = group.entries.push(entry);
    this.#size++;
    const joined = group;
    return () => this.#leave(joined, entry);
  }

  /** Removes and returns the first entry of the run whose turn it is; the run goes behind the others. */
  take(): T | undefined {
    const group = this.#order.first;
    const entry = group?.entries.first;
    if (group === undefined || entry === undefined) return undefined;
    this.#order.remove(group.place);
    group.place = this.#order.push(group);
    this.#leave(group, entry);
    return entry.value;
  }

  #leave(group: Group<Entry<T>>, entry: Entry<T>): void {
    group.entries.remove(entry.link);
    this.#size--;
    if (group.entries.first !== undefined) return;
    this.#order.remove(group.place);
    this.#groups.delete(group.run);
  }
}

interface Entry<T> {
  readonly value: T;
  link: Link<Entry<T>>;
}

/** Stands for a place until there is one. */
const NOWHERE: Link<unknown> = { value: undefined, before: undefined, after: undefined };
