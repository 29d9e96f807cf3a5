/** `permafrost recover`: what it asks for, in which order, and what it says of each restore point. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { expect, test } from "vitest";
import { repository, resource, session } from "../../testing/fake-cluster.ts";
import { createWorld } from "../../testing/fake-context.ts";

const key = join(mkdtempSync(join(tmpdir(), "recover-")), "key");
writeFileSync(key, "3AQ2-57MC\n");
const RECOVER = ["recover", "production", "--recovery-key-file", key];
const repair = { blocks: 50n, copies: 30n, copiedBytes: 9n, recordCopies: 4n, lostBlocks: 0n, shortBlocks: 0n };
const [first, second] = ["20261123T170000Z-00000001", "20261124T170000Z-00000002"] as const;

function world(damaged: string[] = []) {
  const made = createWorld();
  made.cluster.ended = session({ kind: "repair", state: "succeeded", repair });
  made.cluster.sessionList = [
    session({ id: second, kind: "backup", state: "partial" }),
    session({ id: first, kind: "backup", state: "succeeded" }),
    session({ id: "20261122T170000Z-00000000", kind: "backup", state: "failed" }),
    session({ id: "20261121T170000Z-00000000", kind: "prune", state: "succeeded" }),
  ];
  const failure = { code: "BLOCK_MISSING", message: "a block is gone", hint: "", facts: {} };
  made.cluster.resourceList = [
    resource({ id: `${first}/v1`, type: "cinder.volume", name: "data" }),
    ...damaged.map((id) => resource({ id: `${id}/v1`, type: "cinder.volume", name: "data", state: "failed", failure })),
  ];
  return made;
}

test("opens, repairs, checks, and says that all is whole", async () => {
  const it = world();
  expect(await it.run(...RECOVER, "--read-data")).toBe(0);
  expect(it.cluster.requestOf("unlockRepository")).toEqual({
    repository: "production",
    secret: { kind: { $case: "recoveryKey", value: "3AQ2-57MC" } },
  });
  expect(it.cluster.requestOf("startRepair")).toEqual({ repository: "production" });
  expect(it.cluster.requestOf("startCheck")).toEqual({ repository: "production", sessionIds: [], readData: true });
  const order = it.cluster.calls.map(({ method }) => method).filter((method) => /^(unlock|start)/.test(method));
  expect(order).toEqual(["unlockRepository", "startRepair", "startCheck"]);
  expect(it.stdout.text).toMatch(/2 restore points in .*: 2 whole, 30 copies made again\n/);
  expect(it.stdout.text).not.toContain("20261122T170000Z");
});

test("names what is damaged, and the exit status says so", async () => {
  const it = world([second]);
  expect(await it.run(...RECOVER, "--json")).toBe(3);
  expect(JSON.parse(it.stdout.text)).toMatchObject([
    { id: second, backup: "partial", whole: false, damaged: 1 },
    { id: first, backup: "succeeded", whole: true, damaged: 0 },
  ]);
  expect(it.stderr.text).toContain(`Damaged: ${second}: cinder.volume data: a block is gone (BLOCK_MISSING)`);
});

test("a repository without restore points, a repair that lost something, one that could not be done, no name", async () => {
  const empty = world();
  empty.cluster.sessionList = [];
  expect(await empty.run(...RECOVER)).toBe(0);
  expect(empty.cluster.requestOf("startCheck")).toBeUndefined();
  expect(empty.stdout.text).toContain("0 restore points");

  const lost = world();
  const incomplete = { code: "REPAIR_INCOMPLETE", message: "1 blocks are whole on no storage node", hint: "", facts: {} };
  lost.cluster.ended = session({ kind: "repair", state: "failed", failure: incomplete, repair: { ...repair, lostBlocks: 1n } });
  expect(await lost.run(...RECOVER)).toBe(3);
  expect(lost.stderr.text).toContain("whole on no storage node");

  const away = world();
  const failure = { code: "NODE_UNREACHABLE", message: "node c does not answer", hint: "bring it back", facts: {} };
  away.cluster.ended = session({ kind: "repair", state: "failed", failure });
  expect(await away.run(...RECOVER)).not.toBe(0);
  expect(away.stderr.text).toContain("node c does not answer");
  expect(away.cluster.requestOf("startCheck")).toBeUndefined();
  expect(await world().run("recover", "--passphrase-file", key)).toBe(2);
});

test("a recovery key finds its repository among all that the nodes have", async () => {
  const it = world();
  it.cluster.repositoryList = [repository({ id: "a".repeat(32), name: "other" }), repository({ id: "b".repeat(32) })];
  const wrong = new CodedError("WRONG_KEY", "this recovery key does not open the repository");
  const unlock = it.cluster.repositories.unlockRepository;
  it.cluster.repositories.unlockRepository = async (request) => {
    const answer = await unlock(request);
    if (request.repository === "a".repeat(32)) throw wrong;
    return answer;
  };
  expect(await it.run("recover", "--recovery-key-file", key)).toBe(0);
  expect(it.cluster.requestOf("startRepair")).toEqual({ repository: "production" });

  const none = world();
  none.cluster.repositoryList = [repository(), repository({ name: "other" })];
  none.cluster.failures.set("unlockRepository", wrong);
  expect(await none.run("recover", "--recovery-key-file", key)).toBe(12);
  expect(none.stderr.text).toContain("opens none of the repositories (production, other)");
  expect(none.cluster.requestOf("startRepair")).toBeUndefined();

  const empty = world();
  empty.cluster.repositoryList = [];
  expect(await empty.run("recover", "--recovery-key-file", key)).toBe(10);

  const away = world();
  away.cluster.failures.set("listRepositories", new CodedError("NODES_UNAVAILABLE", "too many nodes do not answer"));
  expect(await away.run("recover", "--recovery-key-file", key)).toBe(1);
  expect(away.stderr.text).toContain("too many nodes do not answer");
});
