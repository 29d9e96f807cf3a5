/**
 * Which restore points of one source a retention policy keeps, and why. Pure.
 *
 * A rule keeps the newest complete restore point of each of the newest so many hours, days, ISO weeks, months or years that have one. One that
 * is partial never takes the place of a complete one: it is kept while nothing newer is complete, and when there is no complete one at all.
 */

export interface RetentionPolicy {
  /** The newest so many, whenever they were made. */
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
}

export interface RetainedPoint {
  readonly id: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Everything was backed up. */
  readonly isComplete: boolean;
}

interface LocalTime {
  readonly year: string;
  readonly month: string;
  readonly day: string;
  readonly hour: string;
}

type Period = Exclude<keyof RetentionPolicy, "last">;

const PERIODS: Readonly<Record<Period, (at: LocalTime) => string>> = {
  hourly: ({ year, month, day, hour }) => `${year}-${month}-${day} ${hour}:00`,
  daily: ({ year, month, day }) => `${year}-${month}-${day}`,
  weekly: isoWeek,
  monthly: ({ year, month }) => `${year}-${month}`,
  yearly: ({ year }) => year,
};

/** By id, why it is kept; what is not in it may go. `timeZone` is an IANA name, such as `Europe/Vienna`. Throws RangeError for another. */
export function retained(
  points: readonly RetainedPoint[],
  policy: RetentionPolicy,
  timeZone: string,
): ReadonlyMap<string, readonly string[]> {
  const newestFirst = points.toSorted((a, b) => compare(b.startedAt, a.startedAt) || compare(b.id, a.id));
  const complete = newestFirst.filter((point) => point.isComplete);
  const reasons = new Map<string, string[]>();
  const keep = ({ id }: RetainedPoint, reason: string) => reasons.set(id, [...(reasons.get(id) ?? []), reason]);

  for (const [index, point] of complete.slice(0, policy.last ?? 0).entries()) keep(point, `last ${index + 1}`);
  const format = new Intl.DateTimeFormat("en-CA", {
    ...{ timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit" },
  });
  for (const [name, periodOf] of Object.entries(PERIODS) as [Period, (at: LocalTime) => string][]) {
    const seen = new Set<string>();
    for (const point of complete) {
      const period = periodOf(localTime(format, point.startedAt));
      if (seen.has(period)) continue;
      if (seen.size >= (policy[name] ?? 0)) break;
      seen.add(period);
      keep(point, `${name} ${period}`);
    }
  }
  const newestComplete = complete[0];
  for (const point of newestFirst) {
    if (point.isComplete) continue;
    if (newestComplete === undefined) {
      keep(point, "nothing is complete");
      break;
    }
    if (compare(point.startedAt, newestComplete.startedAt) > 0) keep(point, "newer than all that is complete");
  }
  return reasons;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function localTime(format: Intl.DateTimeFormat, iso: string): LocalTime {
  const parts = Object.fromEntries(format.formatToParts(new Date(iso)).map(({ type, value }) => [type, value]));
  const { year = "", month = "", day = "", hour = "" } = parts;
  return { year, month, day, hour };
}

/** `2026-W48`: a week belongs to the year of its Thursday (ISO 8601). */
function isoWeek({ year, month, day }: LocalTime): string {
  const DAY_MS = 86_400_000;
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const weekday = (new Date(date).getUTCDay() + 6) % 7;
  const thursday = new Date(date + (3 - weekday) * DAY_MS);
  const first = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = 1 + Math.floor((thursday.getTime() - first) / (7 * DAY_MS));
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, "0")}`;
}
