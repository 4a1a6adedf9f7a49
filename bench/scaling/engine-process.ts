/** One of several engines on one database: runs what clients ask for over a socket. `argv[2]` is the store. */
import { createServer, type Socket } from "node:net";
import { open } from "perdure";
import { rssMb } from "../memory.ts";
import { sequence } from "../workflows.ts";
import { lineWriter, onLines } from "./line-protocol.ts";

/** What an engine process says when it is asked for `usage`. */
export interface EngineUsage {
  readonly cpuMs: number;
  readonly rssMb: number;
}

const engine = await open({ store: process.argv[2]!, workflows: [sequence] });
const server = createServer(serveClient).listen(0, "127.0.0.1", () => {
  process.send!({ port: (server.address() as { port: number }).port });
});

process.on("message", (request) => {
  if (request === "usage") {
    const { user, system } = process.cpuUsage();
    const usage: EngineUsage = { cpuMs: (user + system) / 1000, rssMb: rssMb() };
    process.send!(usage);
  } else void close();
});

function serveClient(socket: Socket): void {
  const write = lineWriter(socket.setNoDelay());
  socket.on("error", () => {});
  onLines(socket, (line) => {
    const [number, steps] = line.split(" ") as [string, string];
    void runOnce(Number(steps)).then(() => write(number));
  });
}

async function runOnce(steps: number): Promise<void> {
  await (await engine.start(sequence, steps)).result();
}

async function close(): Promise<void> {
  server.close();
  await engine.close();
  process.exit(0);
}
