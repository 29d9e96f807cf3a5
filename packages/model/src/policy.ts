/**
 * A backup policy: what is backed up into a repository, when, and how long it is kept. Stored, sealed, beside the sessions it starts. All
 * values are JSON-safe.
 */

import type { SessionId } from "./ids.ts";
import type { RetentionPolicy } from "./retention.ts";
import type { WindowLimit } from "./session.ts";
import type { CloudTarget, ProjectFilter, Selection } from "./task.ts";

/** What each of its sessions is asked. */
export interface PolicyBackup {
  readonly target: CloudTarget;
  readonly selection: Selection;
  /** All projects that it selects, so many at the same time; absent: the target's. */
  readonly projects?: ProjectFilter;
  readonly atOnce?: number;
  readonly maxWindow?: WindowLimit;
}

export interface BackupPolicy {
  readonly version: 1;
  /** Unique in its repository: letters, digits, `.`, `_`, `-`. */
  readonly name: string;
  readonly backup: PolicyBackup;
  /** Five fields of cron: minute, hour, day of month, month, day of week. */
  readonly schedule: string;
  /** An IANA name: in which the schedule, and the days of `keep`, are meant. */
  readonly timeZone: string;
  /** Which of the restore points that it made stay; absent: all. */
  readonly keep?: RetentionPolicy;
  /** After something was forgotten, prune with this grace; absent: do not. */
  readonly pruneGraceMs?: number;
  readonly isPaused: boolean;
  /** When it was made or last changed: nothing before that is due. */
  readonly since: string;
  /** Its last occurrence that was acted upon. */
  readonly last?: PolicyRun;
}

export interface PolicyRun {
  /** When it was due; ISO time. */
  readonly dueAt: string;
  /** The session that it started; absent: none, because the one before still ran. */
  readonly sessionId?: SessionId;
  /** What its `keep` asks for was done. */
  readonly isTidied: boolean;
}
