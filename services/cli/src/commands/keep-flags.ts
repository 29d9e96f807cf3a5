/** The rules of retention as options: `--keep-daily 7` and its like. */

import type { RetentionPolicy } from "@permafrost/model";
import type { Command } from "commander";
import { wholeNumber } from "../options.ts";

export type KeepFlags = Readonly<Record<`keep${Capitalize<keyof RetentionPolicy>}`, number | undefined>>;

export function withKeep(command: Command): Command {
  return command
    .optionsGroup("Keep, of each source (the rest goes):")
    .option("--keep-last <count>", "the newest so many restore points", wholeNumber(1))
    .option("--keep-hourly <count>", "the newest of each of so many hours that have one", wholeNumber(1))
    .option("--keep-daily <count>", "… days", wholeNumber(1))
    .option("--keep-weekly <count>", "… weeks, which begin on Monday", wholeNumber(1))
    .option("--keep-monthly <count>", "… months", wholeNumber(1))
    .option("--keep-yearly <count>", "… years", wholeNumber(1));
}

/** Undefined: no rule was given. */
export function policyOf(flags: KeepFlags): RetentionPolicy | undefined {
  const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly } = flags;
  const rules = {
    last: keepLast,
    hourly: keepHourly,
    daily: keepDaily,
    weekly: keepWeekly,
    monthly: keepMonthly,
    yearly: keepYearly,
  };
  const given = Object.entries(rules).filter(([, count]) => count !== undefined);
  return given.length === 0 ? undefined : (Object.fromEntries(given) as RetentionPolicy);
}
