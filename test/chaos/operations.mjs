/** What clients ask for, with an engine or with a mere connection: both have handles. */

/** @param host an engine, or what `connect` made @param cart the entity; only engines have it */
export function operations(host, cart) {
  const handle = (id) => host.handle(id);
  return {
    start: async (workflow, input, options) => (await host.start(workflow, input, options)).runId,
    signal: async (id, name, payload, key) => (await handle(id)).signal(name, payload, { key }),
    update: async (id, name, payload, options) => (await handle(id)).update(name, payload, options),
    query: async (id, name) => (await handle(id)).query(name),
    result: async (id, timeout) => (await handle(id)).result({ timeout }),
    status: async (id) => (await handle(id)).status(),
    cancel: async (id) => (await handle(id)).cancel("chaos"),
    terminate: async (id) => (await handle(id)).terminate("chaos"),
    pause: async (id) => (await handle(id)).pause("chaos"),
    resume: async (id) => (await handle(id)).resume(),
    add: async (key, id) => host.entity(cart, key).add({ id }, { id }),
    schedule: async (name, options) => void (await host.schedules.create(name, options)),
  };
}
