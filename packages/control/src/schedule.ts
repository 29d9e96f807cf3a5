/** When a policy is due: cron's five fields in a time zone. Croner does the arithmetic, daylight saving included. */

import { CodedError } from "@permafrost/std";
import { Cron } from "croner";

export interface Schedule {
  /** Minute, hour, day of month, month, day of week. */
  readonly schedule: string;
  /** An IANA name. */
  readonly timeZone: string;
}

/** The latest time that was due after `afterMs` and is not after `nowMs`; undefined: none was. POLICY_INVALID. */
export function lastDue(when: Schedule, afterMs: number, nowMs: number): number | undefined {
  // The reference itself does not count as before it.
  const [last] = cronOf(when).previousRuns(1, new Date(nowMs + 1000));
  const at = last?.getTime();
  return at !== undefined && at > afterMs && at <= nowMs ? at : undefined;
}

/** The first time after `afterMs` that is due; undefined: never again. POLICY_INVALID. */
export function nextDue(when: Schedule, afterMs: number): number | undefined {
  return cronOf(when).nextRun(new Date(afterMs))?.getTime();
}

function cronOf({ schedule, timeZone }: Schedule): Cron {
  try {
    if (schedule.trim().split(/\s+/).length !== 5) throw new Error("it has not five fields");
    new Intl.DateTimeFormat("en", { timeZone });
    return new Cron(schedule, { timezone: timeZone, paused: true });
  } catch (error) {
    throw new CodedError(
      "POLICY_INVALID",
      `${JSON.stringify(schedule)} in ${timeZone} is no schedule: ${CodedError.from(error).message}`,
      {
        facts: { schedule, timeZone },
        hint: "A schedule is five fields of cron, such as `30 2 * * *` for every day at 2:30; a time zone has a name such as Europe/Vienna.",
      },
    );
  }
}
