/** What is struck when: a list that follows from the seed alone. How far the cluster has come by then does not. */

export type Fault =
  | { readonly kind: "kill" | "pause"; readonly role: string; readonly awayMs: number }
  | { readonly kind: "bus-kill" | "bus-pause"; readonly server: number | "leader"; readonly awayMs: number }
  | { readonly kind: "bus-rolling" }
  | { readonly kind: "bus-wipe" }
  | { readonly kind: "disk-full" | "disk-error"; readonly role: string; readonly awayMs: number };

export interface Strike {
  /** After the one before it. */
  readonly afterMs: number;
  readonly fault: Fault;
}

/** What the faults choose from. */
export interface Targets {
  readonly roles: readonly string[];
  readonly nodes: readonly string[];
  readonly busServers: number;
}

/** More than the leader's lease and a task's claim last: others take over, and the one that was away does not know. */
const LONG_MS = 12_000;

export function planRound(next: (below: number) => number, count: number, targets: Targets): Strike[] {
  const { roles, nodes, busServers } = targets;
  const role = () => roles[next(roles.length)] ?? "";
  const node = () => nodes[next(nodes.length)] ?? "";
  const server = () => (next(2) === 0 ? "leader" : next(busServers));
  const away = (shortMs: number) => (next(5) === 0 ? LONG_MS + next(LONG_MS) : next(shortMs));
  const draw = (): Fault => {
    const percent = next(100);
    if (percent < 60) return { kind: "kill", role: role(), awayMs: away(2_000) };
    if (percent < 74) return { kind: "pause", role: role(), awayMs: 500 + away(3_000) };
    if (percent < 83) return { kind: "bus-kill", server: server(), awayMs: next(3_000) };
    if (percent < 86) return { kind: "bus-pause", server: server(), awayMs: 1_000 + next(6_000) };
    if (percent < 89) return { kind: "bus-rolling" };
    if (percent < 94) return { kind: "disk-error", role: node(), awayMs: 1_000 + next(2_000) };
    if (percent < 98) return { kind: "disk-full", role: node(), awayMs: 1_000 + next(5_000) };
    return { kind: "bus-wipe" };
  };
  return Array.from({ length: count }, () => ({ afterMs: 200 + next(1_200), fault: draw() }));
}
