/** Applies the rules of a file: drops incomplete orders, corrects countries, converts amounts to euros. */
import { readFileSync } from "node:fs";
import { answer, readCall } from "./call.js";

const { input, upstream } = readCall();
const rules = JSON.parse(readFileSync(input.rules, "utf8"));
const { orders } = upstream.extract;

const kept = orders.filter(
  (order) =>
    rules.required.every((name) => order[name] !== "") &&
    Object.entries(rules.minimum).every(([name, least]) => Number(order[name]) >= least),
);
const transformed = kept.map((order) => ({
  ...order,
  ...Object.fromEntries(rules.uppercase.map((name) => [name, order[name].toUpperCase()])),
  euros: Math.round(Number(order.amount) * rules.rates[order.currency] * 100) / 100,
}));
console.error(`${transformed.length} of ${orders.length} orders kept`);
answer({ orders: transformed, dropped: orders.length - kept.length });
