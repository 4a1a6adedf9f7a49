/** Measures one round in a process of its own, so that no workload is warmed up or weighed down by another. */
import { Profiler } from "./profiler.ts";
import type { Setting } from "./setting.ts";
import { WORKLOADS } from "./workloads/index.ts";
import type { Span } from "./workloads/workload.ts";

const setting = JSON.parse(process.argv[2]!) as Setting;
const workload = WORKLOADS.find(({ name }) => name === setting.workload)!;
const unwatched: Span = { begin: async () => {}, end: async () => {} };
const span = setting.profile === undefined ? unwatched : new Profiler(setting.profile);

const measurements = await workload.measure(setting, span);
process.send!(measurements, () => process.disconnect());
