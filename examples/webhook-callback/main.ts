/**
 * A payment provider answers later, by calling a URL of ours. The run waits for that without holding anything.
 *
 *     node --import jiti/register examples/webhook-callback/main.ts
 *
 * Stop it at any time and start it again. The provider (provider.ts, one file of it) repeats its call until it is answered, as they do.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { activity, isPerdureError, open, workflow } from "perdure";
import { Provider } from "./provider.ts";

const store = process.argv[2] ?? "sqlite:.perdure/store.db";
const provider = new Provider(`${store.replace(/^sqlite:/, "")}.payments.json`);

interface Paid {
  readonly receipt: string;
}
const requestPayment = activity("request-payment", async ({ token, amount }: { token: string; amount: number }) => {
  console.log(`asking the provider for ${amount} EUR`);
  await provider.request({ token, amount });
});
const ship = activity("ship", async (receipt: string) => {
  console.log(`shipping, ${receipt}`);
  return "parcel 12";
});

const order = workflow("webhook-order", async (wf, amount: number) => {
  const callback = await wf.callback<Paid>({ timeout: "1d" });
  await wf.call(requestPayment, { token: callback.token, amount });
  const paid = await callback.wait();
  return paid === undefined ? "never paid" : wf.call(ship, paid.receipt);
});

await using engine = await open({ store, workflows: [order] });

/** Completes what waits for the token in the URL. The token is the password: nobody can guess one. */
const server = createServer(async (request, response) => {
  try {
    await engine.complete(request.url?.split("/callbacks/")[1] ?? "", await json(request));
    response.writeHead(204).end();
  } catch (error) {
    response.writeHead(isPerdureError(error) ? error.httpStatus : 500).end(String(error));
  }
});
server.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));

const handle = await engine.start(order, 30, { id: "webhook-order-1", conflict: "attach" });
const stop = provider.deliver(`http://127.0.0.1:${(server.address() as AddressInfo).port}/callbacks`);
console.log("result:", await handle.result());
stop();
server.close();
