/** `permafrost session lock`, and what a policy does with what is locked. */

import { expect, test } from "vitest";
import { session } from "../../testing/fake-cluster.ts";
import { createWorld } from "../../testing/fake-context.ts";
import { dateOf } from "./session-lock.ts";

test("locks until a date, for a time, or until somebody releases it", async () => {
  const world = createWorld();
  const id = "20261123T170000Z-0a1b2c3d";
  expect(await world.run("session", "lock", id, "--until", "2027-01-31", "--json")).toBe(0);
  expect(world.cluster.requestOf("lockSession")).toMatchObject({ until: new Date("2027-01-31T00:00:00Z"), hold: "" });
  expect(JSON.parse(world.stdout.text)).toMatchObject({ locked_until: "2027-01-31T00:00:00.000Z", held: false });
  expect(await world.run("session", "lock", id, "--for", "2d", "--hold")).toBe(0);
  const { until, hold } = world.cluster.requestOf("lockSession") as { until: Date; hold: string };
  expect([until.getTime() > 2 * 86_400_000, hold]).toEqual([true, "on"]);
  expect(await world.run("session", "lock", id, "--release")).toBe(0);
  expect(world.cluster.requestOf("lockSession")).toMatchObject({ hold: "off" });
});

test.each([
  [[], "Nothing says for how long"],
  [["--until", "2027-01-31", "--for", "2d"], "two ways to say the same"],
  [["--hold", "--release"], "cannot both be"],
  [["--until", "soon"], "such as 2027-01-31"],
  [["--for", "2 days"], "such as 12h or 7d"],
])("refuses %j", async (args, message) => {
  const world = createWorld();
  expect(await world.run("session", "lock", "latest", ...args)).toBe(2);
  expect(world.stderr.text).toContain(message);
  expect(world.cluster.calls).toEqual([]);
});

test("takes dates and times with their zone", () => {
  expect(dateOf("2027-01-31").toISOString()).toBe("2027-01-31T00:00:00.000Z");
  expect(dateOf("2027-01-31T12:00+01:00").toISOString()).toBe("2027-01-31T11:00:00.000Z");
  for (const text of ["31.1.2027", "2027", "2027-01-31T12:00", "2027-13-01", ""]) expect(() => dateOf(text), text).toThrow();
});

test("a policy keeps what is locked, says why, and lets it take no other's place", async () => {
  const world = createWorld();
  const day = (n: number) => new Date(Date.UTC(2026, 10, n, 12));
  world.cluster.sessionList = [
    session({ id: "c", startedAt: day(25) }),
    session({ id: "b", startedAt: day(24), lockedUntil: new Date("2999-01-01T00:00:00Z") }),
    session({ id: "a", startedAt: day(23), held: true }),
    session({ id: "z", startedAt: day(22), lockedUntil: new Date("2001-01-01T00:00:00Z") }),
    session({ id: "y", startedAt: day(21) }),
  ];
  const args = ["forget", "--repository", "production", "--keep-last", "2", "--dry-run", "-f", "csv"];
  expect(await world.run(...args, "-c", "ID", "-c", "Action", "-c", "Reasons")).toBe(0);
  expect(world.stdout.text.trim().split("\n").slice(1)).toEqual([
    '"c","keep","last 1"',
    '"b","keep","last 2; locked until 2999-01-01 00:00:00"',
    '"a","keep","held"',
    '"z","forget",""',
    '"y","forget",""',
  ]);
});
