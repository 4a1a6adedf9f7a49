/** A way to the database that can be bad: slow, cut, or swallowing what goes through while both ends believe in it. */
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pass } from "node:timers/promises";

/** What a way does with what comes: passes it on, late, not at all, or only what goes to the database. */
export type WayMode = "open" | "slow" | "silent" | "answerless";

export class Way {
  readonly port: number;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  mode: WayMode = "open";
  /** Of a slow way. */
  delayMs = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async to(port: number): Promise<Way> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const way = new Way(server, (server.address() as { port: number }).port);
    server.on("connection", (near) => {
      const link = new Link(way, near, connect(port, "127.0.0.1"));
      way.#links.add(link);
      void link.closed.then(() => way.#links.delete(link));
    });
    return way;
  }

  /** Ends every connection, without a word to either end about why. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** Whether something was swallowed, on a connection that is still there. */
  get torn(): boolean {
    return [...this.#links].some((link) => link.torn);
  }

  /** Good again. Connections on which something was swallowed can only be ended. */
  heal(): void {
    this.mode = "open";
    for (const link of this.#links) if (link.torn) link.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

class Link {
  readonly closed: Promise<void>;
  readonly #ends: readonly [Socket, Socket];
  /** Something that was sent did not arrive. */
  torn = false;

  constructor(way: Way, near: Socket, far: Socket) {
    this.#ends = [near, far];
    this.closed = new Promise((resolve) => near.once("close", resolve));
    for (const socket of this.#ends) {
      socket.setNoDelay(true);
      socket.on("error", () => this.cut());
      socket.on("close", () => this.cut());
    }
    this.#carry(way, near, far, (mode) => mode === "silent");
    this.#carry(way, far, near, (mode) => mode === "silent" || mode === "answerless");
  }

  cut(): void {
    for (const socket of this.#ends) socket.destroy();
  }

  #carry(way: Way, from: Socket, to: Socket, swallows: (mode: WayMode) => boolean): void {
    let last: Promise<unknown> = Promise.resolve();
    let waiting = 0;
    from.on("data", (bytes) => {
      if (this.torn || swallows(way.mode)) {
        // Nothing may follow what is missing.
        this.torn = true;
        return;
      }
      if (way.mode !== "slow" && waiting === 0) {
        to.write(bytes);
        return;
      }
      waiting++;
      const due = pass(way.mode === "slow" ? way.delayMs : 0);
      last = Promise.all([last, due]).then(() => {
        waiting--;
        if (!this.torn) to.write(bytes);
      });
    });
    from.resume();
  }
}
