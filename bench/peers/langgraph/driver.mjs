/** LangGraph.js: a node is a step, a thread is a run; each super-step is written before the next one begins. */
import { Annotation, END, Send, START, StateGraph } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import pg from "pg";
import { installedVersion, serve } from "../../dist/peers/serve.js";

const version = installedVersion(import.meta.url, "@langchain/langgraph");
const POOL = 20;

const State = Annotation.Root({ sum: Annotation({ reducer: (sum, more) => sum + more, default: () => 0 }) });
const Shot = Annotation.Root({
  n: Annotation(),
  done: Annotation({ reducer: (sum, more) => sum + more, default: () => 0 }),
});

await serve(async ({ address }) => {
  const sqlite = address.startsWith("sqlite:");
  const checkpointer = sqlite ? openSqlite(address.slice("sqlite:".length)) : await openPostgres(address);
  const chains = new Map();
  const chainOf = (steps) => {
    if (!chains.has(steps)) chains.set(steps, chain(steps, checkpointer));
    return chains.get(steps);
  };
  const wide = fan(checkpointer);
  let thread = 0;
  const config = () => ({ configurable: { thread_id: `thread-${++thread}` }, durability: "sync" });
  return {
    version,
    settings: sqlite ? "durability sync, WAL, synchronous=FULL" : `durability sync, pool of ${POOL}`,
    runSequence: async (steps) => void (await chainOf(steps).invoke({ sum: 0 }, config())),
    runFanOut: async (steps) => void (await wide.invoke({ n: steps }, config())),
    close: async () => (sqlite ? checkpointer.db.close() : checkpointer.end()),
  };
});

function chain(steps, checkpointer) {
  const graph = new StateGraph(State);
  for (let i = 0; i < steps; i++) {
    graph.addNode(`n${i}`, async () => ({ sum: i }));
    graph.addEdge(i === 0 ? START : `n${i - 1}`, `n${i}`);
  }
  graph.addEdge(`n${steps - 1}`, END);
  return graph.compile({ checkpointer });
}

function fan(checkpointer) {
  return new StateGraph(Shot)
    .addNode("shot", async () => ({ done: 1 }))
    .addConditionalEdges(START, ({ n }) => Array.from({ length: n }, (_, i) => new Send("shot", { i })), ["shot"])
    .addEdge("shot", END)
    .compile({ checkpointer });
}

function openSqlite(path) {
  const saver = SqliteSaver.fromConnString(path);
  saver.db.pragma("journal_mode = wal");
  saver.db.pragma("synchronous = full");
  return saver;
}

async function openPostgres(url) {
  const saver = new PostgresSaver(new pg.Pool({ connectionString: url, max: POOL }));
  await saver.setup();
  return saver;
}
