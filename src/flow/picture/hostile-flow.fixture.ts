/** A flow whose every text tries to break out of the picture it is drawn in. */
import type { FlowDefinition } from "../model.ts";

export const hostileFlow: FlowDefinition = {
  name: '"]; %%{init: {"theme":"dark"}}%% --- <script>alert(1)</script>',
  description: "a\u0000b ]]> <b onclick='x'> &amp;",
  steps: [
    {
      kind: "task",
      id: 'a"]--><script>alert(2)</script>',
      activity: '"); evil { \\N } `**bold**` #quot; &lt; 😀 \ud800',
      description: '" onload="alert(3)',
      dependsOn: [],
    },
    {
      kind: "signal",
      id: "end",
      signal: { name: 'x\n  s0 --> s9\\" %%', timeoutMs: 5, onTimeout: "subgraph" },
      dependsOn: ['a"]--><script>alert(2)</script>'],
      when: `a < b && c > "d" || '}}' == "]"`,
    },
    { kind: "timer", id: "subgraph", timer: { cron: "*/5 * * * *" }, dependsOn: [] },
  ],
};
