/** Which sessions may be forgotten, and the locks on restore points that may not. */

import { isRestorePoint, lockReason, type SessionLock, type SessionRecord } from "@permafrost/model";
import { CodedError, isoTime } from "@permafrost/std";
import type { SessionStore } from "./session-store.ts";

/** Throws SESSION_RUNNING, SESSION_LOCKED, and RESTORE_NOT_UNDONE unless `isForced`: then none of them is to be removed. */
export async function checkForgettable(
  records: readonly SessionRecord[],
  storeOf: (record: SessionRecord) => Promise<SessionStore>,
  nowMs: number,
  isForced: boolean,
): Promise<void> {
  for (const record of records) {
    const { id, state } = record;
    if (state === "running")
      throw new CodedError("SESSION_RUNNING", `Session ${id} still runs`, {
        facts: { session: id },
        hint: "Cancel it first.",
      });
    const reason = lockReason(record, nowMs);
    if (reason !== undefined)
      throw new CodedError("SESSION_LOCKED", `Session ${id} is ${reason}`, {
        facts: { session: id, ...(record.lock?.until === undefined ? {} : { until: record.lock.until }) },
        hint: record.lock?.isHeld
          ? "`permafrost session lock --release` takes the hold off. Nothing was forgotten."
          : "A lock ends by itself and not before. Nothing was forgotten.",
      });
  }
  for (const record of isForced ? [] : records) {
    const made = await (await storeOf(record)).journalled(record.appliesId ?? record.id);
    if (made === 0) continue;
    throw new CodedError(
      "RESTORE_NOT_UNDONE",
      `What restore ${record.id} made could not be taken back without it: ${made} resources`,
      {
        facts: { session: record.id, resources: made },
        hint: "`permafrost restore undo` takes them back; to keep them and forget how they came, say --force.",
      },
    );
  }
}

/** The record with its lock changed as asked; what is not said stays. Throws NOT_A_RESTORE_POINT, LOCK_TOO_EARLY. */
export function withLock(record: SessionRecord, change: SessionLock, nowMs: number): SessionRecord {
  if (!isRestorePoint(record))
    throw new CodedError("NOT_A_RESTORE_POINT", `Session ${record.id} is no restore point: there is nothing to lock`, {
      facts: { session: record.id },
    });
  const least = Math.max(nowMs, Date.parse(record.lock?.until ?? "") || 0);
  if (change.until !== undefined && Date.parse(change.until) < least)
    throw new CodedError("LOCK_TOO_EARLY", `A lock of session ${record.id} cannot end before ${isoTime(least)}`, {
      facts: { session: record.id, until: change.until, least: isoTime(least) },
      hint: "A lock can be made longer, never shorter.",
    });
  return { ...record, lock: { ...record.lock, ...change } };
}
