/**
 * The child's end of engine-process.ts: tells the parent of every line of the log, does what it is told over IPC, and does not outlive
 * the parent. `{ id, op, args }` is answered with `{ id, value }` or `{ id, error }`.
 */

/** A logger whose lines the parent has. */
export const logger = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };

function say(level) {
  return ({ error, workflowId }, message) => {
    process.send?.({ log: { level, text: `${level} ${workflowId ?? ""} ${message} ${error ?? ""}` } });
  };
}

/** Says that the engine is open, and from now on does what is in `operations`, and `leave`. */
export function obey(engine, operations) {
  const able = {
    ...operations,
    /** Closes the engine; then nothing must keep the process alive. */
    leave: async () => {
      await engine.close();
      process.off("disconnect", exit);
      process.disconnect();
    },
  };
  process.on("message", ({ id, op, args }) => {
    able[op](...args).then(
      (value) => process.connected && process.send({ id, value }),
      (error) => process.send({ id, error: { code: error.code, message: error.message } }),
    );
  });
  // Nobody is left behind when the parent dies.
  process.on("disconnect", exit);
  process.send({ ready: true });
}

function exit() {
  process.exit();
}
