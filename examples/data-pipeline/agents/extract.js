/** Reads the orders; in a real pipeline this would be a query. */
import { readFileSync } from "node:fs";
import { answer, readCall } from "./call.js";

const { input } = readCall();
const [header, ...lines] = readFileSync("orders.csv", "utf8").trim().split("\n");
const names = header.split(",");
const orders = lines.map((line) => Object.fromEntries(line.split(",").map((text, i) => [names[i], text])));
console.error(`${orders.length} orders read from the ${input.source}`);
answer({ source: input.source, orders });
