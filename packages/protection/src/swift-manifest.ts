/** The manifest of a static large object, in the form that can be PUT again. */

import { CodedError } from "@permafrost/std";

interface SloSegment {
  readonly path?: string;
  readonly [key: string]: unknown;
}

/** Containers that the segments are in. */
export function segmentContainers(manifest: readonly Uint8Array[]): string[] {
  const paths = segmentsOf(Buffer.concat(manifest)).map((s) => s.path ?? "");
  return [...new Set(paths.map((path) => path.split("/")[1] ?? "").filter((c) => c !== ""))].sort();
}

export function segmentsOf(manifest: Uint8Array): SloSegment[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(manifest).toString("utf8"));
    if (Array.isArray(parsed)) return parsed as SloSegment[];
  } catch (error) {
    throw new CodedError("BAD_RESPONSE", "A static large object's manifest is not JSON", { cause: error });
  }
  throw new CodedError("BAD_RESPONSE", "A static large object's manifest is not a list");
}

/** The manifest with its segments' containers retold. */
export function prefixed(manifest: Uint8Array, prefix: string): Uint8Array {
  if (prefix === "") return manifest;
  const segments = segmentsOf(manifest).map((s) => (s.path === undefined ? s : { ...s, path: `/${prefix}${s.path.slice(1)}` }));
  return Buffer.from(JSON.stringify(segments), "utf8");
}

/** A manifest is at most 8 MiB (Swift's `max_manifest_size`). */
export async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(bytes, (chunk) => Buffer.from(chunk)));
}
