/** What is noted beside an event, as a history has it: plain JSON, taken when it is said, so that what becomes of it later changes nothing. */
import { PerdureError } from "./errors.ts";
import { isError } from "./foreign.ts";
import { encodeInput, MAX_PAYLOAD } from "./payload.ts";

/**
 * The data of a note. A field that JSON has no words for, a cycle for instance, stands as a payload does.
 *
 * @throws PerdureError `INVALID_ARGUMENT`, `UNSERIALISABLE`, `PAYLOAD_TOO_LARGE`
 */
export function noteData(data: Readonly<Record<string, unknown>>, what: string): Readonly<Record<string, unknown>> {
  if (typeof data !== "object" || data === null || Array.isArray(data) || isError(data))
    throw new PerdureError("INVALID_ARGUMENT", `${what}: the data of a note are an object like { branch: "left" }`);
  const text = jsonOf(data) ?? encodeFields(data);
  if (text.length > MAX_PAYLOAD)
    throw new PerdureError(
      "PAYLOAD_TOO_LARGE",
      `${what} takes ${text.length} characters, allowed are ${MAX_PAYLOAD}; keep large data outside and note a reference`,
      { details: { size: text.length, limit: MAX_PAYLOAD } },
    );
  return JSON.parse(text) as Record<string, unknown>;
}

function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function encodeFields(data: Readonly<Record<string, unknown>>): string {
  // Taken at once: where a field cannot be read, the error says so.
  encodeInput(data);
  const fields = Object.entries(data).map(
    ([key, value]) => `${JSON.stringify(key)}:${jsonOf(value) ?? encodeInput(value)}`,
  );
  return `{${fields.join(",")}}`;
}
