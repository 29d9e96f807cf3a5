/** How far apart the points in time of a project's volumes are: a pure count over what freezing recorded. */

import type { ConsistencyWindow, FrozenResource } from "@permafrost/model";

/** Undefined when nothing was frozen. Resources that failed do not count. */
export function consistencyWindow(frozen: readonly FrozenResource[]): ConsistencyWindow | undefined {
  const good = frozen.filter((f) => f.failure === undefined);
  if (good.length === 0) return undefined;
  const requested = good.map((f) => f.requestedAt).sort((a, b) => epochMs(a) - epochMs(b));
  const acknowledged = good.map((f) => f.acknowledgedAt).sort((a, b) => epochMs(a) - epochMs(b));
  const [first, lastRequested, last] = [requested[0] ?? "", requested.at(-1) ?? "", acknowledged.at(-1) ?? ""];
  return {
    requestedFirstAt: first,
    requestedLastAt: lastRequested,
    windowMs: epochMs(last) - epochMs(first),
    resources: good.map(({ type, id, requestedAt, acknowledgedAt, createdAt }) => ({
      type,
      id,
      requestedAt,
      acknowledgedAt,
      createdAt,
    })),
  };
}

/** Cinder gives times in UTC without saying so; to JavaScript a time without a zone is local. */
function epochMs(time: string): number {
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(time) ? time : `${time}Z`);
}
