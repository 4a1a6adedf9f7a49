/** The files of `perdure init`. */

const FLOW = `# A flow: steps that depend on one another. Every finished step is kept, whatever happens to the process.
#   perdure run hello --id hello-1 --input name=Ada
name: hello
description: Look someone up, write two greetings side by side, ask a person, send one
steps:
  - id: lookup
    agent: lookup
    input: { name: "\${{ input.name }}" }

  - id: formal
    depends_on: [lookup]
    agent: writer
    input: { style: formal, person: "\${{ steps.lookup.output }}" }

  - id: friendly
    depends_on: [lookup]
    agent: writer
    input: { style: friendly, person: "\${{ steps.lookup.output }}" }

  - id: approval                       # waits for:  perdure runs signal ID approved by=Grace
    depends_on: [formal, friendly]
    signal: { name: approved, timeout: 2d }

  - id: send
    depends_on: [formal, friendly, approval]
    agent: sender
    retry: { max_attempts: 5, initial: 1s }
    input:
      text: "\${{ steps.friendly.output }}"
      approved_by: "\${{ steps.approval.output.?by.orValue('somebody') }}"

output:
  sent: "\${{ steps.send.output.sent }}"
  text: "\${{ steps.friendly.output }}"
`;

const AGENTS = `# Agents are programs: JSON {input, upstream, run_input} on standard input, the result on standard output,
# log lines on standard error. Exit code 0 is success; anything else is retried.
agents:
  lookup: { command: [node, agents/lookup.mjs], timeout: 30s }
  writer: { command: [node, agents/writer.mjs], timeout: 30s }
  sender: { command: [node, agents/sender.mjs], timeout: 30s }
`;

const READ = `import { text } from "node:stream/consumers";

const { input } = JSON.parse(await text(process.stdin));
`;

const LOOKUP = `${READ}console.error(\`looking up \${input.name}\`);
await new Promise((resolve) => setTimeout(resolve, 700));
console.log(JSON.stringify({ name: input.name ?? "World", city: "London" }));
`;

const WRITER = `${READ}await new Promise((resolve) => setTimeout(resolve, input.style === "formal" ? 1500 : 1000));
const { name, city } = input.person;
console.log(input.style === "formal" ? \`Dear \${name}, we hope this finds you well.\` : \`Hi \${name}, how is \${city}?\`);
`;

const SENDER = `${READ}// The first attempt fails on purpose, to show a retry.
if (process.env.PERDURE_ATTEMPT === "1") {
  console.error("the mail server is busy");
  process.exit(1);
}
console.error(\`sending what \${input.approved_by} approved\`);
console.log(JSON.stringify({ sent: true, key: process.env.PERDURE_IDEMPOTENCY_KEY }));
`;

const GUIDE = `# A first flow

\`\`\`sh
perdure plan hello                                   # what it will do
perdure run hello --id hello-1 --input name=Ada      # run it; it waits for a person
perdure runs signal hello-1 approved by=Grace        # answer from another terminal
perdure runs show hello-1                            # look at it later
\`\`\`

Kill the process while it runs, then call the same \`perdure run\` again: it goes on with the first unfinished step.

- \`flows/hello.yaml\` is the flow.
- \`agents.yaml\` says which programs its agents are; they are in \`agents/\`.
- \`.perdure/store.db\` is where runs are kept.
`;

/** Text by path. */
export const EXAMPLE_FILES: Readonly<Record<string, string>> = {
  "flows/hello.yaml": FLOW,
  "agents.yaml": AGENTS,
  "agents/lookup.mjs": LOOKUP,
  "agents/writer.mjs": WRITER,
  "agents/sender.mjs": SENDER,
  "PERDURE.md": GUIDE,
  ".perdure/.gitignore": "*\n",
};
