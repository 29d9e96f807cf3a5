/** Requests of the control API as the model has them. Throws REQUEST_INVALID, naming the field. */

import { PROJECTS_AT_ONCE } from "@permafrost/control";
import {
  type CloudTarget,
  isRestorePoint,
  type RestoreMaps,
  type RestoreOptions,
  type Selection,
  type SessionRecord,
  type VerifyLevel,
  type WindowLimit,
} from "@permafrost/model";
import { control } from "@permafrost/rpc";
import { CodedError } from "@permafrost/std";

const CONFLICT_RULES = ["create", "reuse", "rename", "skip", "fail"] as const;
const POWER_RULES = ["as-backed-up", "never"] as const;
const VERIFY: Readonly<Record<number, VerifyLevel | undefined>> = {
  [control.VerifyLevel.VERIFY_LEVEL_METADATA]: "metadata",
  [control.VerifyLevel.VERIFY_LEVEL_HASH]: "hash",
  [control.VerifyLevel.VERIFY_LEVEL_DATA]: "data",
};

export function restoreOptionsOf(request: control.StartRestoreRequest): RestoreOptions {
  if (request.cloud === "") throw invalid("cloud", "Say which cloud to restore into, as named in clouds.yaml");
  const powerOn = oneOf("power_on", POWER_RULES, request.powerOn);
  return {
    target: targetOf(request),
    maps: mapsOf(request.maps),
    onConflict: oneOf("on_conflict", CONFLICT_RULES, request.onConflict),
    ...(request.namePrefix === "" ? {} : { namePrefix: request.namePrefix }),
    ...(powerOn === "as-backed-up" ? {} : { powerOn }),
  };
}

/** In a project that is named, an administrator may first have to give itself a role. */
export function targetOf({ cloud, project }: { readonly cloud: string; readonly project: string }): CloudTarget {
  return project === "" ? { cloud } : { cloud, project, grant: true };
}

/** A tenant's input, as sessions and policies have it. */
export function tenantOf(input: control.TenantInput) {
  const { cloud, project, selection, temporaryProject } = input;
  if (cloud === "") throw invalid("tenant.cloud", "Say which cloud, as named in clouds.yaml");
  const target = { ...targetOf({ cloud, project }), ...temporaries(temporaryProject) };
  return { target, selection: selectionOf(selection), ...windowOf(input) };
}

/** All projects, as session groups and policies have them. */
export function allProjectsOf(input: control.AllProjectsInput) {
  const { cloud, domain, tags, include, exclude, selection, atOnce, temporaryProject } = input;
  if (cloud === "") throw invalid("all_projects.cloud", "Say which cloud, as named in clouds.yaml");
  return {
    target: { cloud, ...temporaries(temporaryProject) },
    projects: { ...(domain === "" ? {} : { domain }), tags, include, exclude },
    selection: selectionOf(selection),
    atOnce: atOnce === 0 ? PROJECTS_AT_ONCE : atOnce,
    ...windowOf(input),
  };
}

function windowOf({ maxWindowMs, failBeyondWindow }: control.TenantInput | control.AllProjectsInput): {
  readonly maxWindow?: WindowLimit;
} {
  if (maxWindowMs === 0n && failBeyondWindow) throw invalid("max_window_ms", "Say how far apart volumes may be frozen");
  return maxWindowMs === 0n ? {} : { maxWindow: { ms: Number(maxWindowMs), action: failBeyondWindow ? "fail" : "warn" } };
}

function temporaries(temporaryProject: string): Pick<CloudTarget, "temporaryProject"> {
  return temporaryProject === "" ? {} : { temporaryProject };
}

function mapsOf(maps: readonly control.NameMap[]): RestoreMaps {
  const result: Record<string, Readonly<Record<string, string>>> = {};
  for (const { kind, names } of maps) {
    if (kind === "" || result[kind] !== undefined) throw invalid("maps.kind", "Name a kind for each map, and each kind once");
    result[kind] = names;
  }
  return result;
}

/** The first one when nothing was sent. */
function oneOf<T extends string>(field: string, allowed: readonly [T, ...T[]], sent: string): T {
  const found = sent === "" ? allowed[0] : allowed.find((a) => a === sent);
  if (found === undefined) throw invalid(field, `Must be one of ${allowed.join(", ")}`);
  return found;
}

/** Undefined: not at all. */
export function verifyLevelOf(level: control.VerifyLevel): VerifyLevel | undefined {
  return VERIFY[level];
}

export function selectionOf(selection: control.Selection | undefined): Selection {
  return { include: selection?.include ?? [], exclude: selection?.exclude ?? [] };
}

export function checkRestorePoint(record: SessionRecord): SessionRecord {
  if (isRestorePoint(record)) return record;
  const { id, kind, state } = record;
  const message = `Session ${id} is no restore point: it is a ${kind}, and ${state}`;
  throw new CodedError("NOT_A_RESTORE_POINT", message, { facts: { session: id } });
}

export function invalid(field: string, hint: string): CodedError {
  return new CodedError("REQUEST_INVALID", `The request's field ${field} is missing or wrong`, { facts: { field }, hint });
}
