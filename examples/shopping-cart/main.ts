/**
 * A shopping cart as an entity: one long-lived run per customer that owns its items and answers messages one at a time.
 *
 *     node --import jiti/register examples/shopping-cart/main.ts
 *
 * Stop it at any time and start it again: the cart keeps what is in it, and is paid once.
 */
import { setTimeout as pause } from "node:timers/promises";
import { activity, entity, open } from "perdure";

const PRICES: Readonly<Record<string, number>> = { tea: 4, milk: 1, scone: 3 };

interface Line {
  readonly article: string;
  readonly quantity: number;
}
interface Cart {
  lines: Map<string, number>;
  receipt: string | undefined;
}

const total = ({ lines }: Cart): number =>
  [...lines].reduce((sum, [article, quantity]) => sum + (PRICES[article] ?? 0) * quantity, 0);

const pay = activity("pay", async (amount: number) => {
  console.log(`charging ${amount} EUR`);
  await pause(1000);
  return `paid ${amount} EUR`;
});

const cart = entity("cart", {
  state: (): Cart => ({ lines: new Map(), receipt: undefined }),
  on: {
    /** Sets how many of an article are wanted. A cart that has been paid stays as it is. */
    put: (state, { article, quantity }: Line) => {
      if (state.receipt === undefined) state.lines.set(article, quantity);
      return total(state);
    },
    /** Messages that come while the bank is asked wait for their turn. */
    checkout: async (state, _: undefined, { wf }) => {
      state.receipt ??= await wf.call(pay, total(state));
      return state.receipt;
    },
  },
  get: { total, lines: ({ lines }) => [...lines] },
  validate: {
    put: (_, { article }) => {
      if (!(article in PRICES)) throw new Error(`we do not sell ${article}`);
    },
  },
  expire: "7d",
});

await using engine = await open({ store: process.argv[2] ?? "sqlite:.perdure/store.db", workflows: [cart] });
const mine = engine.entity(cart, "ada");
const wanted = [
  { article: "tea", quantity: 2 },
  { article: "scone", quantity: 1 },
  { article: "gold", quantity: 1 },
  { article: "tea", quantity: 3 },
];
for (const line of wanted) {
  const sum = await mine.put(line).catch((error: Error) => (error.cause as Error).message);
  console.log(`${line.quantity} × ${line.article}: ${sum}`);
}
const receipt = await mine.checkout();
console.log("result:", receipt);
for (const [article, quantity] of await mine.lines()) console.log(`  ${quantity} × ${article}`);
