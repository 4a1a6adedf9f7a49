/** Reads the loaded file back and compares it with what the load said. Exit code 65 says that trying again is of no use. */
import { readFileSync } from "node:fs";
import { answer, readCall } from "./call.js";

const { upstream } = readCall();
const { file, rows, euros } = upstream.load;
const orders = JSON.parse(readFileSync(file, "utf8"));
const sum = Math.round(orders.reduce((total, order) => total + order.euros, 0) * 100) / 100;
if (orders.length !== rows || sum !== euros) {
  console.error(`${file} holds ${orders.length} orders of ${sum} euros, expected ${rows} of ${euros}`);
  process.exit(65);
}
answer({ valid: true, file, rows, euros });
