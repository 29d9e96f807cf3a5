/** What a session was asked to do: stored as a document, so that any coordinator can take the session over. */

import type {
  CloudTarget,
  ProjectFilter,
  RepositoryId,
  RestoreOptions,
  Selection,
  SessionId,
  SessionOrigin,
  SessionRecord,
  SessionSource,
  StreamRoot,
  VerifyLevel,
  WindowLimit,
} from "@permafrost/model";
import { isoTime, type Random } from "@permafrost/std";

interface SpecBase {
  readonly sessionId: SessionId;
  readonly repositoryId: RepositoryId;
  readonly startedAt: string;
}

/** Projects of a group that are backed up at the same time, unless it says otherwise. */
export const PROJECTS_AT_ONCE = 2;
/** A prune that would condemn more than this, of 100, ends instead, unless it says otherwise. */
export const UNUSED_PERCENT_MAX = 50;

export interface TenantBackupSpec extends SpecBase {
  readonly kind: "backup";
  readonly input: "tenant";
  readonly target: CloudTarget;
  readonly selection: Selection;
  readonly maxWindow?: WindowLimit;
  /** The session group it is part of. */
  readonly groupId?: SessionId;
  readonly policy?: SessionRecord["policy"];
}

export interface GroupSpec extends SpecBase {
  readonly kind: "group";
  readonly input: "tenant";
  /** The administrator's own project. */
  readonly target: CloudTarget;
  readonly projects: ProjectFilter;
  readonly selection: Selection;
  /** Sessions that run at the same time. */
  readonly atOnce: number;
  /** Of each. */
  readonly maxWindow?: WindowLimit;
  readonly policy?: SessionRecord["policy"];
}

export interface InputBackupSpec extends SpecBase {
  readonly kind: "backup";
  readonly input: "stream" | "fs";
  readonly name: string;
}

/** A copy of a restore point of another site; what comes of it is a restore point. */
export interface CopySpec extends SpecBase {
  readonly kind: "backup";
  readonly input: "copy";
  readonly origin: SessionOrigin;
  /** Of the restore point that is copied. */
  readonly source: SessionSource;
}

export interface RestoreSpec extends SpecBase {
  readonly kind: "restore";
  readonly pointId: SessionId;
  readonly options: RestoreOptions;
  readonly selection: Selection;
  readonly verify?: VerifyLevel;
  readonly dryRun: boolean;
  /** A plan that is applied instead of making one, and the session that made it. Options and selection are then the plan's. */
  readonly applies?: { readonly sessionId: SessionId; readonly plan: StreamRoot };
}

export interface VerifySpec extends SpecBase {
  readonly kind: "verify";
  readonly restoreId: SessionId;
  readonly plan: StreamRoot;
  readonly level: VerifyLevel;
}

export interface UndoSpec extends SpecBase {
  readonly kind: "undo";
  readonly restoreId: SessionId;
  readonly plan: StreamRoot;
}

export interface CheckSpec extends SpecBase {
  readonly kind: "check";
  readonly pointIds: readonly SessionId[];
  readonly readData: boolean;
}

export interface PruneSpec extends SpecBase {
  readonly kind: "prune";
  /** What is condemned stays at least so long. */
  readonly graceMs: number;
  /** More than this, of 100, newly found unused is taken for a mistake. */
  readonly unusedPercentMax: number;
  /** Only says what it would do. */
  readonly dryRun: boolean;
}

export interface RepairSpec extends SpecBase {
  readonly kind: "repair";
}

export type SessionSpec =
  | TenantBackupSpec
  | GroupSpec
  | InputBackupSpec
  | CopySpec
  | RestoreSpec
  | VerifySpec
  | UndoSpec
  | CheckSpec
  | PruneSpec
  | RepairSpec;

/** What a session is about, as far as its spec says. */
export function sourceOf(spec: SessionSpec): SessionSource {
  const named = (target: CloudTarget): SessionSource => ({
    input: "tenant",
    cloud: target.cloud,
    ...(target.project === undefined ? {} : { projectName: target.project }),
    ...(target.temporaryProject === undefined ? {} : { temporaryProject: target.temporaryProject }),
  });
  if (spec.kind === "restore") return named(spec.options.target);
  if (spec.kind !== "backup" && spec.kind !== "group") return { input: "tenant" };
  if (spec.input === "copy") return spec.source;
  return spec.input === "tenant" ? named(spec.target) : { input: spec.input, name: spec.name };
}

/** Bits of an id's last part that are random; the 10 above them are the milliseconds. */
const RANDOM_BITS = 22;

/** Sorts by start, to the millisecond: `YYYYMMDDTHHMMSSZ-` and 8 hex digits. */
export function newSessionId(nowMs: number, random: Random): SessionId {
  const seconds = isoTime(nowMs).replace(/[-:]/g, "").replace(/\.\d+/, "");
  const [a = 0, b = 0, c = 0] = random.bytes(3);
  const tail = (nowMs % 1000) * 2 ** RANDOM_BITS + (((a << 16) | (b << 8) | c) % 2 ** RANDOM_BITS);
  return `${seconds}-${tail.toString(16).padStart(8, "0")}`;
}
