/** Words people bring from elsewhere, and words that come later: what to write instead. */

/** Where a word was met, by the name of the schema it was checked against. */
export type Place = "flow" | "step" | "retry" | "signal" | "timer" | "agent";

const WORDS: Readonly<Record<Place, Readonly<Record<string, string>>>> = {
  flow: {
    jobs: "write steps: a list of { id, task, depends_on }",
    tasks: "write steps",
    nodes: "write steps",
    on: "start runs with perdure start, or on a schedule",
    env: "give values to steps as input, or to an agent as env",
    inputs: "the run's input needs no declaration; read it as ${{ input.name }}",
    outputs: "write output",
    version: "definitions are pinned by the hash of their content; leave it out",
    concurrency: "write max_parallel",
    max_concurrency: "write max_parallel",
    max_parallelism: "write max_parallel",
    parallelism: "write max_parallel",
    timeout_ms: "write timeout: 30s, or a number of seconds",
    "timeout-minutes": "write timeout: 30m",
    on_error: "write on_error at the steps it is meant for",
    on_failure: "write on_error at the steps it is meant for",
    defaults: "write retry at the top; it is the default of all steps",
    permissions: "leave it out",
    id: "write name",
  },
  step: {
    needs: "write depends_on",
    dependencies: "write depends_on",
    after: "write depends_on",
    requires: "write depends_on",
    dependsOn: "write depends_on",
    if: "write when",
    condition: "write when",
    with: "write input",
    inputs: "write input",
    input_data: "write input",
    params: "write input",
    args: "write input",
    uses: "write task: the name of an activity",
    activity: "write task",
    action: "write task",
    handler: "write task",
    run: "write agent: name, and at the top agents: { name: { command: [program, argument] } }",
    command: "write agent: name, and at the top agents: { name: { command: [program, argument] } }",
    shell: "write agent: name, and at the top agents: { name: { command: [program, argument] } }",
    script: "write agent: name, and at the top agents: { name: { command: [program, argument] } }",
    env: "write env at the agent, or give the values as input",
    name: "write id; what people read goes into description",
    key: "write id",
    agent_id: "write agent",
    "continue-on-error": "write on_error: continue",
    continue_on_error: "write on_error: continue",
    on_failure: "write on_error",
    "timeout-minutes": "write timeout: 30m",
    timeout_ms: "write timeout: 30s, or a number of seconds",
    retry_policy: "write retry",
    retries: "write retry: { max_attempts: 3 }",
    max_attempts: "write retry: { max_attempts: 3 }",
    strategy: "write several steps; they run in parallel unless they depend on one another",
    outputs: "a step's output is what its activity returns",
    output: "a step's output is what its activity returns; output stands at the top of the flow",
    service_name: "write task: service/handler",
    handler_name: "write task: service/handler",
    type: "leave it out; task, agent, signal or timer says what the step is",
    wait_signal: "write signal: { name: … }",
    wait_for: "write signal: { name: … } or timer: { delay: … }",
    signal_name: "write signal: { name: … }",
    on_timeout: "write it inside signal: { name, timeout, on_timeout }",
    delay: "write timer: { delay: 30s }",
    delay_ms: "write timer: { delay: 30s }",
    sleep: "write timer: { delay: 30s }",
    wait: "write timer: { delay: 30s } or signal: { name: … }",
    cron: 'write timer: { cron: "0 3 * * *" }',
    cron_expr: 'write timer: { cron: "0 3 * * *" }',
    timer_key: "write timer: { key: … }",
    "<<": "merge keys are not read; repeat the words",
  },
  retry: {
    attempts: "write max_attempts",
    max_retries: "write max_attempts; it counts the first attempt too",
    retries: "write max_attempts; it counts the first attempt too",
    limit: "write max_attempts",
    retry_on: "write on",
    on_errors: "write on",
    no_retry_on: "write not_on",
    delay: "write initial",
    initial_delay: "write initial",
    initial_interval: "write initial",
    interval: "write initial",
    multiplier: "write factor",
    backoff_coefficient: "write factor",
    backoff_factor: "write factor",
    max_delay: "write max",
    max_interval: "write max",
    strategy: "write backoff",
  },
  signal: {
    signal_name: "write name",
    event: "write name",
    timeout_ms: "write timeout: 30s, or a number of seconds",
    ontimeout: "write on_timeout",
  },
  timer: {
    delay_ms: "write delay: 30s, or a number of seconds",
    duration: "write delay",
    seconds: "write delay: a bare number is seconds",
    sleep: "write delay",
    cron_expr: "write cron",
    schedule: "write cron",
    timer_key: "write key",
    tz: "write timezone",
    timeZone: "write timezone",
  },
  agent: {
    run: "write command: [program, argument]",
    cmd: "write command",
    args: "write them into command: [program, argument]",
    "working-directory": "write cwd",
    dir: "write cwd",
    environment: "write env",
  },
};

/** Words of the language that this version does not know yet. */
const LATER: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  step: {
    map: "a step for each item of a list",
    workflow: "a child workflow as a step",
    approval: "an approval by named people",
    compensate: "undoing a step when a later one fails",
  },
  flow: { schedule: "starting runs by the clock" },
};

/** What to write instead of a word that is not known at this place, if that can be said. */
export function foreignWord(place: string, word: string): string | undefined {
  const words = WORDS[place as Place];
  return words !== undefined && Object.hasOwn(words, word) ? words[word] : undefined;
}

/** What a word will mean that this version does not know yet. */
export function laterWord(place: string, word: string): string | undefined {
  const words = LATER[place];
  return words !== undefined && Object.hasOwn(words, word) ? words[word] : undefined;
}
