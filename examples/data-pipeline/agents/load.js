/**
 * Writes the orders to out/. The file has the name of the run and appears whole or not at all, so that a second attempt, after
 * a crash perhaps, changes nothing.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { answer, readCall } from "./call.js";

const { input, upstream } = readCall();
const { orders } = upstream.transform;
const folder = resolve("out", input.destination);
mkdirSync(folder, { recursive: true });
const file = resolve(folder, `${process.env.PERDURE_RUN_ID}.json`);
writeFileSync(`${file}.tmp`, JSON.stringify(orders, null, 2));
renameSync(`${file}.tmp`, file);
answer({ file, rows: orders.length, euros: total(orders) });

function total(list) {
  return Math.round(list.reduce((sum, order) => sum + order.euros, 0) * 100) / 100;
}
