/** Between clients and engines, over a socket: `NUMBER STEPS` asks for a run, `NUMBER` says that it is done. */
import type { Socket } from "node:net";

/** Calls `take` with every whole line that arrives. */
export function onLines(socket: Socket, take: (line: string) => void): void {
  let rest = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) take(line);
  });
}

/** Writes lines, those of one turn of the event loop together. */
export function lineWriter(socket: Socket): (line: string) => void {
  let gathered = "";
  return (line) => {
    if (gathered === "") {
      setImmediate(() => {
        socket.write(gathered);
        gathered = "";
      });
    }
    gathered += `${line}\n`;
  };
}
