/**
 * Finding in the target what a resource of the source refers to and the restore does not make: by the user's map, by the same id, or by a
 * name that only one thing has. Each is looked for once per plan; what was found is part of the plan.
 */

import type { PlanReference, RestoreMaps } from "@permafrost/model";
import type { Cloud } from "@permafrost/openstack";
import { CodedError } from "@permafrost/std";
import { finderOf, isTaken } from "./reference-kinds.ts";

interface Wanted {
  readonly kind: string;
  readonly id: string;
  readonly name: string;
}

export class References {
  readonly #cloud: Cloud;
  readonly #maps: RestoreMaps;
  readonly #known = new Map<string, Promise<PlanReference>>();

  constructor(cloud: Cloud, maps: RestoreMaps) {
    this.#cloud = cloud;
    this.#maps = maps;
  }

  /** Throws MAP_TARGET_UNKNOWN if the user mapped it to something that the target does not have. */
  resolve(wanted: Wanted): Promise<PlanReference> {
    const key = `${wanted.kind}/${wanted.id}`;
    const known = this.#known.get(key) ?? this.#find(wanted);
    this.#known.set(key, known);
    return known;
  }

  /** All that were asked for. */
  async all(): Promise<PlanReference[]> {
    return await Promise.all(this.#known.values());
  }

  async #find({ kind, id, name }: Wanted): Promise<PlanReference> {
    const source = { kind, id, name };
    const find = finderOf(kind);
    if (find === undefined) return { ...source, how: "missing" };
    const map = this.#maps[kind];
    const mapped = map?.[name] ?? map?.[id] ?? map?.["*"];
    if (mapped !== undefined) {
      const found = await find(this.#cloud, mapped);
      const only = found[0];
      if (found.length === 1 && only !== undefined) return { ...source, targetId: only.id, targetName: only.name, how: "mapped" };
      if (found.length === 0 && isTaken(this.#cloud, kind, mapped))
        return { ...source, targetId: mapped, targetName: mapped, how: "mapped" };
      throw new CodedError(
        "MAP_TARGET_UNKNOWN",
        found.length === 0
          ? `The target has no ${kind} ${mapped}, to which ${name || id} is mapped`
          : `The target has ${found.length} of ${kind} ${mapped}: map ${name || id} to an id`,
        { facts: { kind, source: name || id, target: mapped }, hint: `Change --map ${kind}:${name || id}=${mapped}.` },
      );
    }
    const same = (await find(this.#cloud, id)).find((f) => f.id === id);
    if (same !== undefined) return { ...source, targetId: same.id, targetName: same.name, how: "same-id" };
    const named = name === "" ? [] : await find(this.#cloud, name);
    const only = named[0];
    if (named.length === 1 && only !== undefined)
      return { ...source, targetId: only.id, targetName: only.name, how: "same-name" };
    return { ...source, how: "missing" };
  }
}
