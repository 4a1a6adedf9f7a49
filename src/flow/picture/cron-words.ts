/** Common cron expressions in words; the rest stay as they are. */

const DAYS = ["Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays"];
const DAY_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/**
 * What a cron expression means, for people.
 *
 * @example
 * cronWords("0 3 * * *") // "daily at 03:00"
 * cronWords("15 9 * * 1-5") // "weekdays at 09:15"
 */
export function cronWords(expression: string): string {
  const fields = expression.trim().toLowerCase().split(/\s+/);
  if (fields.length === 6 && fields[0] === "0") fields.shift();
  const raw = `cron ${expression.trim()}`;
  if (fields.length !== 5) return raw;
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string];
  if (month !== "*") return raw;
  const everyDay = day === "*" && weekday === "*";
  return (everyDay ? withinTheDay(minute, hour) : undefined) ?? atTime(minute, hour, day, weekday) ?? raw;
}

function withinTheDay(minute: string, hour: string): string | undefined {
  if (hour === "*") {
    if (minute === "*" || minute === "*/1") return "every minute";
    const step = stepOf(minute);
    if (step !== undefined) return `every ${step} minutes`;
    return isNumber(minute, 59) ? `hourly at :${two(minute)}` : undefined;
  }
  const step = stepOf(hour);
  if (step === undefined || !isNumber(minute, 59)) return undefined;
  return Number(minute) === 0 ? `every ${step} hours` : `every ${step} hours at :${two(minute)}`;
}

function atTime(minute: string, hour: string, day: string, weekday: string): string | undefined {
  if (!isNumber(minute, 59) || !isNumber(hour, 23)) return undefined;
  const time = `${two(hour)}:${two(minute)}`;
  if (day === "*" && weekday === "*") return `daily at ${time}`;
  if (day === "*") {
    const days = dayWords(weekday);
    return days === undefined ? undefined : `${days} at ${time}`;
  }
  return weekday === "*" && isNumber(day, 31) ? `monthly on day ${Number(day)} at ${time}` : undefined;
}

function dayWords(field: string): string | undefined {
  const named = DAY_NAMES.reduce((text, name, i) => text.replaceAll(name, String(i)), field);
  if (named === "1-5") return "weekdays";
  if (["6,0", "0,6", "6,7", "6-7"].includes(named)) return "weekends";
  const days = named.split(",").map((part) => (isNumber(part, 7) ? DAYS[Number(part) % 7] : undefined));
  return days.every((name) => name !== undefined) ? days.join(", ") : undefined;
}

/** `5` of a field that reads "every fifth". */
function stepOf(field: string): number | undefined {
  const step = /^\*\/(\d{1,2})$/.exec(field)?.[1];
  return step !== undefined && Number(step) > 1 ? Number(step) : undefined;
}

function isNumber(field: string, max: number): boolean {
  return /^\d{1,2}$/.test(field) && Number(field) <= max;
}

function two(field: string): string {
  return field.padStart(2, "0");
}
