/** Microversions ("3.70"): comparison, and the choice from a service's version document. Pure. */

/** Negative, zero or positive, as numbers and not as text: 3.9 < 3.70. */
export function compareMicroversions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA - majorB || minorA - minorB;
}

/** True if `version` is known and at least `least`. */
export function atLeast(version: string | undefined, least: string): boolean {
  return version !== undefined && compareMicroversions(version, least) >= 0;
}

/**
 * The highest microversion that both the service and we know, or undefined for a service without microversions.
 * Cinder and Nova give `{versions: [{version, min_version}]}` or `{version: {…}}` at `/v3/`, `/v2.1/`.
 */
export function chooseMicroversion(document: unknown, known: string): string | undefined {
  const major = known.split(".")[0];
  for (const entry of versionEntries(document)) {
    const max = entry.version;
    if (typeof max !== "string" || !/^\d+\.\d+$/.test(max) || max.split(".")[0] !== major) continue;
    const min = typeof entry.min_version === "string" ? entry.min_version : max;
    const chosen = compareMicroversions(max, known) < 0 ? max : known;
    if (compareMicroversions(chosen, min) >= 0) return chosen;
  }
  return undefined;
}

function versionEntries(document: unknown): Record<string, unknown>[] {
  if (typeof document !== "object" || document === null) return [];
  const { versions, version } = document as Record<string, unknown>;
  const list = Array.isArray(versions) ? versions : [version];
  return list.filter((entry): entry is Record<string, unknown> => typeof entry === "object" && entry !== null);
}
