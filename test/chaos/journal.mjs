/** Files that grow by lines and survive the process that wrote them. */
import { fsyncSync, openSync, writeSync } from "node:fs";

/** Opens a journal; lines of several processes never mix. `durable`: each line is on the disk before anything else happens. */
export function openJournal(path, { durable = false } = {}) {
  const file = openSync(path, "a");
  return (line) => {
    writeSync(file, `${JSON.stringify({ at: Date.now(), ...line })}\n`);
    if (durable) fsyncSync(file);
  };
}
