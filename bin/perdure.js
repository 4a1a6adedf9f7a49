#!/usr/bin/env node
import { main } from "../dist/cli/main.js";

const code = await main(process.argv.slice(2));
// What a user's module left open (timers, sockets) must not keep a finished command alive.
process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
process.exitCode = code;
