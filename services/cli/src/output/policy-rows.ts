/** The columns of policies. */

import type { Policy } from "../api.ts";
import type { Column } from "./column.ts";
import { time } from "./rows.ts";

const RULES = ["last", "hourly", "daily", "weekly", "monthly", "yearly"] as const;

export const POLICY_COLUMNS: readonly Column<Policy>[] = [
  { title: "Name", value: (row) => row.name },
  { title: "Repository", value: (row) => row.repository },
  { title: "Source", value: sourceText },
  { title: "Schedule", value: (row) => row.schedule },
  { title: "Time Zone", value: (row) => row.timeZone },
  { title: "Keep", value: keepText },
  time("Next Due", (row) => row.nextDueAt),
  time("Last Due", (row) => row.lastDueAt),
  { title: "Last Session", value: (row) => row.lastSessionId || undefined },
  { title: "Paused", value: (row) => row.paused },
  { title: "Prune", value: (row) => row.prune, detail: true },
  { title: "Grace Ms", value: (row) => (row.prune ? row.pruneGraceMs : undefined), detail: true },
  { title: "Include", value: (row) => row.backup?.value.selection?.include ?? [], detail: true },
  { title: "Exclude", value: (row) => row.backup?.value.selection?.exclude ?? [], detail: true },
];

/** `cloud/project`, or `cloud/*` for all projects. */
function sourceText({ backup }: Policy): string {
  if (backup === undefined) return "";
  if (backup.$case === "allProjects") return `${backup.value.cloud}/*`;
  const { cloud, project } = backup.value;
  return project === "" ? cloud : `${cloud}/${project}`;
}

/** `7 daily, 5 weekly`, or `all`. */
function keepText({ keep }: Policy): string {
  if (keep === undefined) return "all";
  return RULES.flatMap((rule) => (keep[rule] > 0 ? [`${keep[rule]} ${rule}`] : [])).join(", ");
}
