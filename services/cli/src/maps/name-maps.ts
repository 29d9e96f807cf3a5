/**
 * What things of the source are called in the target, by kind: from `--map KIND:OLD=NEW` and from a map file, the command
 * line winning. Which kinds there are, the coordinator judges.
 */

import type { NameMap } from "../api.ts";
import { usageError } from "../failure.ts";

/** Kind to old to new. */
export type NameMaps = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** As a kind can be spelled: `volume-type`, `neutron.network`. */
export const KIND = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)?$/;

/** Each `KIND:OLD=NEW`; the last one for a name wins. Throws USAGE. */
export function parseMaps(texts: readonly string[]): NameMaps {
  const maps = new Map<string, Map<string, string>>();
  for (const text of texts) {
    const at = text.indexOf(":");
    const kind = text.slice(0, Math.max(0, at));
    const equals = text.indexOf("=", at);
    const [from, to] = [text.slice(at + 1, equals), text.slice(equals + 1)];
    if (!KIND.test(kind) || equals < 0 || from === "" || to === "") {
      throw usageError(
        `--map ${text} is not KIND:OLD=NEW`,
        "Such as --map volume-type:ssd=fast or --map neutron.network:public=ext-net.",
      );
    }
    maps.set(kind, (maps.get(kind) ?? new Map<string, string>()).set(from, to));
  }
  return maps;
}

/** Both; where they differ `winner` has it. */
export function mergeMaps(base: NameMaps, winner: NameMaps): NameMaps {
  const kinds = new Set([...base.keys(), ...winner.keys()]);
  return new Map([...kinds].map((kind) => [kind, new Map([...(base.get(kind) ?? []), ...(winner.get(kind) ?? [])])]));
}

/** As a request has them. */
export function mapsOfRequest(maps: NameMaps): NameMap[] {
  return [...maps].map(([kind, names]) => ({ kind, names: Object.fromEntries(names) }));
}
