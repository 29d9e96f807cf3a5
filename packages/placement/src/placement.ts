/**
 * Which nodes keep a key: weighted rendezvous hashing over zones. Pure: the same nodes and key give the same answer everywhere.
 *
 * Each node scores each key, `-weight / ln(u)` with u from a hash of both; the highest scores win. So a node that comes or goes
 * moves only its own share of the keys, and shares follow weights. Replicas go to distinct zones while there are any; then a second
 * one in each zone, and so on. A node of weight 0 gets no new keys but stays in `rank`, after all others, to be read from while it drains.
 *
 * The hash is two lanes of MurmurHash3's 32-bit mixing: keys are digests or hashed by the caller, and no one gains by choosing
 * them. It must never change: stored blocks are found by it (see the golden test).
 */

import { createHash } from "node:crypto";

export interface PlacementNode {
  /** Unique and stable; another id is another node. */
  readonly id: string;
  /** Share of the keys in proportion to the other weights; 0 drains. */
  readonly weight: number;
  /** Failure domain: replicas avoid sharing one. */
  readonly zone: string;
}

export interface Placement {
  /** The ids of at most `replicas` nodes for the key, best first; fewer when there are fewer nodes of weight above 0. */
  place(key: Uint8Array, replicas: number): string[];
  /** All nodes, in the order to look for the key: first where `place` puts it. */
  rank(key: Uint8Array): string[];
}

interface Seeded extends PlacementNode {
  readonly seed: readonly [number, number];
}

/** Throws RangeError for a weight that is negative or not finite and for an id that occurs twice. */
export function placementOver(nodes: readonly PlacementNode[]): Placement {
  const seeded = nodes.map((node): Seeded => {
    if (!Number.isFinite(node.weight) || node.weight < 0) throw new RangeError(`the weight of node ${node.id} is ${node.weight}`);
    const digest = createHash("sha256").update(node.id).digest();
    return { ...node, seed: [digest.readUInt32LE(0), digest.readUInt32LE(4)] };
  });
  if (new Set(nodes.map((node) => node.id)).size !== nodes.length) throw new RangeError("a node id occurs twice");
  const taking = seeded.filter((node) => node.weight > 0);
  const draining = seeded.filter((node) => node.weight === 0);
  return {
    place(key, replicas) {
      if (!Number.isInteger(replicas) || replicas < 1)
        throw new RangeError(`replicas must be a positive integer, not ${replicas}`);
      return spread(byScore(key, taking), replicas);
    },
    rank: (key) => [...spread(byScore(key, taking), taking.length), ...byScore(key, draining).map((node) => node.id)],
  };
}

/** `placementOver(nodes).place(key, replicas)`, for one key. */
export function place(key: Uint8Array, nodes: readonly PlacementNode[], replicas: number): string[] {
  return placementOver(nodes).place(key, replicas);
}

function byScore(key: Uint8Array, nodes: readonly Seeded[]): Seeded[] {
  return nodes
    .map((node) => ({ node, score: (node.weight || 1) / -Math.log(fraction(key, node.seed)) }))
    .sort((a, b) => b.score - a.score || (a.node.id < b.node.id ? -1 : 1))
    .map(({ node }) => node);
}

/** Takes from the sorted nodes, zone after zone, a second of a zone only when each zone has given one. */
function spread(sorted: readonly Seeded[], count: number): string[] {
  const taken: string[] = [];
  let rest = sorted;
  while (taken.length < count && rest.length > 0) {
    const zones = new Set<string>();
    const left: Seeded[] = [];
    for (const node of rest) {
      if (taken.length < count && !zones.has(node.zone)) {
        zones.add(node.zone);
        taken.push(node.id);
      } else left.push(node);
    }
    rest = left;
  }
  return taken;
}

/** A number in (0, 1), uniform over keys, independent between seeds. */
function fraction(key: Uint8Array, [seedA, seedB]: readonly [number, number]): number {
  let a = seedA;
  let b = seedB;
  for (let at = 0; at < key.length; at += 4) {
    const word = (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16) | ((key[at + 3] ?? 0) << 24);
    a = mixIn(a, Math.imul(word, 0xcc9e2d51), 0x1b873593);
    b = mixIn(b, Math.imul(word, 0x239b961b), 0xab0e9789);
  }
  a = finish(a ^ key.length);
  b = finish(b ^ key.length);
  return ((a >>> 6) * 2 ** 27 + (b >>> 5) + 0.5) / 2 ** 53;
}

function mixIn(hash: number, word: number, multiplier: number): number {
  const mixed = hash ^ Math.imul((word << 15) | (word >>> 17), multiplier);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
