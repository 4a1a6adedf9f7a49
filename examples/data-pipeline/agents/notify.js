/** Sends a message; here it is only printed. `--input mute=true` lets it fail, to show what `on_error: continue` is for. */
import { answer, readCall } from "./call.js";

const { upstream, run_input } = readCall();
if (run_input?.mute === true) {
  console.error("the message was not sent: nobody listens");
  process.exit(1);
}
const { rows, euros } = upstream.validate;
answer({ message: `${rows} orders of ${euros.toFixed(2)} euros are in the warehouse` });
