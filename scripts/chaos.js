/** `npm run chaos -- --minutes N [--seed S]`: engines on a real PostgreSQL with everything going wrong; see docs/chaos.md. */
import { createJiti } from "jiti";

const { main } = await createJiti(import.meta.url).import("../test/chaos/main.ts");
process.exitCode = await main(process.argv.slice(2));
