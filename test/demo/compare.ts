/**
 * Compares two projects of the fake cloud by looking at its state directly: no code of the product is asked whether
 * the product is right. Answers one line per difference; resources are matched by name.
 */

import type { Container, FakeCloud, Image, SparseBytes, SwiftObject, Volume } from "../fakes/openstack/index.ts";

const STEP_BYTES = 8 * 1024 * 1024;

export interface Comparison {
  /** Images, volumes and containers compared. */
  readonly resources: number;
  readonly bytes: number;
  readonly differences: readonly string[];
}

export function compareProjects(cloud: FakeCloud, sourceId: string, targetId: string): Comparison {
  const differences: string[] = [];
  let bytes = 0;
  let resources = 0;
  const pairs = <T extends { readonly name: string | null }>(kind: string, source: T[], target: T[]): [T, T][] => {
    resources += source.length;
    if (target.length !== source.length)
      differences.push(`${kind}: ${source.length} in the source, ${target.length} in the target`);
    return source.flatMap((one): [T, T][] => {
      const other = target.find((each) => each.name === one.name);
      if (other === undefined) differences.push(`${kind} ${one.name}: missing`);
      return other === undefined ? [] : [[one, other]];
    });
  };
  const same = (what: string, a: unknown, b: unknown) => {
    if (JSON.stringify(a) !== JSON.stringify(b)) differences.push(`${what}: ${JSON.stringify(a)}, found ${JSON.stringify(b)}`);
  };
  const sameBytes = (what: string, a: SparseBytes | undefined, b: SparseBytes | undefined) => {
    same(`${what}: size`, a?.size, b?.size);
    if (a === undefined || b === undefined) return;
    bytes += a.size;
    for (let at = 0; at < a.size; at += STEP_BYTES) {
      if (a.read(at, STEP_BYTES).equals(b.read(at, STEP_BYTES))) continue;
      differences.push(`${what}: bytes differ at or after ${at}`);
      return;
    }
  };
  const { read } = cloud;
  for (const [a, b] of pairs<Image>("image", read.images(sourceId), read.images(targetId))) {
    const what = `image ${a.name}`;
    sameBytes(what, a.bytes, b.bytes);
    same(
      `${what}: formats`,
      [a.diskFormat, a.containerFormat, a.minDisk, a.minRam],
      [b.diskFormat, b.containerFormat, b.minDisk, b.minRam],
    );
    same(`${what}: tags`, [...a.tags].sort(), [...b.tags].sort());
    for (const [key, value] of Object.entries(a.properties)) same(`${what}: ${key}`, value, b.properties[key]);
  }
  for (const [a, b] of pairs<Volume>("volume", read.volumes(sourceId), read.volumes(targetId))) {
    const what = `volume ${a.name}`;
    sameBytes(what, a.bytes, b.bytes);
    same(`${what}: shape`, [a.size, a.type.name, a.bootable, a.status], [b.size, b.type.name, b.bootable, b.status]);
    for (const [key, value] of Object.entries(a.metadata)) same(`${what}: ${key}`, value, b.metadata[key]);
  }
  for (const [a, b] of pairs<Container>("container", read.containers(sourceId), read.containers(targetId))) {
    same(`container ${a.name}: headers`, a.headers, b.headers);
    same(`container ${a.name}: policy`, a.policy, b.policy);
    same(`container ${a.name}: names`, [...a.objects.keys()].sort(), [...b.objects.keys()].sort());
    for (const [name, object] of a.objects) {
      const other = b.objects.get(name);
      if (other === undefined) continue;
      const what = `object ${a.name}/${name}`;
      same(`${what}: type and headers`, objectFields(object), objectFields(other));
      // The stored manifest of a static large object holds times; what it reads as is its etag, made of its segments' hashes.
      if (object.slo === undefined) sameBytes(what, object.bytes, other.bytes);
      else same(`${what}: manifest`, [object.slo.etag, object.slo.size], [other.slo?.etag, other.slo?.size]);
    }
  }
  return { resources, bytes, differences };
}

function objectFields(object: SwiftObject): unknown {
  return [object.contentType, Object.entries(object.headers).sort()];
}
