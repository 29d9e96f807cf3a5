/** `permafrost copy`: which restore points it asks for, in which order, and what it says of each. */

import { CodedError } from "@permafrost/std";
import { expect, test } from "vitest";
import { resource, session, stats } from "../../testing/fake-cluster.ts";
import { createWorld } from "../../testing/fake-context.ts";

const COPY = ["copy", "--from", "paris", "--repository", "far"];
const IDS = ["20261125T170000Z-00000003", "20261124T170000Z-00000002", "20261123T170000Z-00000001"] as const;
const origin = {
  site: "paris",
  repositoryId: "aa",
  repository: "near",
  sessionId: IDS[0],
  startedAt: new Date("2026-11-25T17:00:00Z"),
  whole: true,
};

/** The middle one is here already. */
function world() {
  const made = createWorld();
  made.cluster.originList = IDS.map((id, at) => ({ session: session({ id }), copyId: at === 1 ? "here-2" : "" }));
  made.cluster.ended = session({ id: "copy-1", state: "succeeded", origin, stats: stats({ readBytes: 1_048_576n }) });
  return made;
}
const started = (it: ReturnType<typeof world>) =>
  it.cluster.calls
    .filter(({ method }) => method === "startCopy")
    .map(({ request }) => (request as { sessionId: string }).sessionId);

test("copies what is not here, the oldest first", async () => {
  const it = world();
  expect(await it.run(...COPY, "--source-repository", "near")).toBe(0);
  expect(started(it)).toEqual([IDS[2], IDS[0]]);
  expect(it.cluster.requestOf("startCopy")).toEqual({
    repository: "far",
    site: "paris",
    sourceRepository: "near",
    sessionId: IDS[0],
  });
  expect(it.stdout.text).toContain("3 restore points: 2 copied, 1 there already; 2.0 MiB transferred\n");
});

test("copies those that are named: latest, a prefix, one that is here; the other repository has the same name unless it is said", async () => {
  const it = world();
  expect(await it.run(...COPY, "latest", "20261124")).toBe(0);
  expect(started(it)).toEqual([IDS[0]]);
  expect(it.cluster.requestOf("listOrigins")).toEqual({ repository: "far", site: "paris", sourceRepository: "far" });
  const wrong = world();
  expect(await wrong.run(...COPY, "2020")).toBe(1);
  expect(await wrong.run(...COPY, "2026")).toBe(1);
  expect(wrong.stderr.text).toMatch(/SESSION_UNKNOWN[\s\S]*SESSION_AMBIGUOUS/);
  expect(started(wrong)).toEqual([]);
});

test("--dry-run only says", async () => {
  const it = world();
  expect(await it.run(...COPY, "--dry-run", "--json")).toBe(0);
  expect(started(it)).toEqual([]);
  expect(JSON.parse(it.stdout.text)).toMatchObject([
    { origin: IDS[2], copy: "", outcome: "to copy" },
    { origin: IDS[1], copy: "here-2", outcome: "there already" },
    { origin: IDS[0], copy: "", outcome: "to copy" },
  ]);
});

test("what the other site has lost is said, and the exit code too; a partial restore point that was copied whole is none of it", async () => {
  const lost = world();
  const failure = { code: "BLOCK_MISSING", message: "Site paris cannot give it", hint: "", facts: {} };
  lost.cluster.ended = session({ state: "partial", failed: 1, origin: { ...origin, whole: false } });
  lost.cluster.resourceList = [resource({ name: "logs", state: "failed", failure })];
  expect(await lost.run(...COPY, "latest")).toBe(3);
  expect(lost.stderr.text).toContain("Failed: cinder.volume logs: Site paris cannot give it (BLOCK_MISSING)");
  expect(lost.stdout.text).toContain("1 restore point: 0 copied, 0 there already, 1 not;");

  const failed = world();
  failed.cluster.ended = session({ state: "failed", failure, origin: { ...origin, whole: false } });
  expect(await failed.run(...COPY)).toBe(1);
  expect(started(failed)).toHaveLength(2);

  const partial = world();
  partial.cluster.ended = session({ state: "partial", origin });
  expect(await partial.run(...COPY, "latest")).toBe(0);
});

test("needs a site, and says what the coordinator says", async () => {
  expect(await createWorld().run("copy", "--repository", "far")).toBe(2);
  const it = world();
  it.cluster.failures.set("listOrigins", new CodedError("SITE_UNKNOWN", 'The configuration has no site "paris"'));
  expect(await it.run(...COPY)).toBe(1);
  expect(it.stderr.text).toContain("SITE_UNKNOWN");
});
