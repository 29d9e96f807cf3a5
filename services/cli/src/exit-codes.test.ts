import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { expect, test } from "vitest";
import { resource, session } from "../testing/fake-cluster.ts";
import { createWorld } from "../testing/fake-context.ts";
import { EXIT, EXIT_CODES, exitCodeOfState } from "./exit-codes.ts";

const BACKUP = ["backup", "--repository", "production", "--os-cloud", "c"];
const lastLine = (text: string) => text.trimEnd().split("\n").at(-1) ?? "";

test("0: succeeded", async () => {
  expect(await createWorld().run(...BACKUP)).toBe(EXIT.ok);
});

test("1: a failed session says why, with the machine's line last", async () => {
  const world = createWorld();
  const failure = { code: "AUTH_FAILED", message: "Keystone refused the password", hint: "Look at clouds.yaml.", facts: {} };
  world.cluster.ended = session({ state: "failed", failure });
  expect(await world.run(...BACKUP, "-f", "json")).toBe(EXIT.failed);
  expect(world.stderr.text).toContain("Error: Keystone refused the password (AUTH_FAILED)\n  Look at clouds.yaml.\n");
  expect(JSON.parse(lastLine(world.stderr.text))).toEqual({
    message_type: "exit_error",
    code: 1,
    message: "backup 20261123T170000Z-0a1b2c3d failed: Keystone refused the password (AUTH_FAILED)",
  });
});

test("2: the command line, also in json", async () => {
  const world = createWorld();
  expect(await world.run("backup", "--nonsense", "--json")).toBe(EXIT.usage);
  expect(JSON.parse(lastLine(world.stderr.text))).toEqual({
    message_type: "exit_error",
    code: 2,
    message: "Unknown option '--nonsense' (USAGE)",
  });
  expect(await world.run("repository")).toBe(EXIT.usage);
});

test("3: a partial session names what failed", async () => {
  const world = createWorld();
  world.cluster.ended = session({ state: "partial", failed: 1 });
  const failure = { code: "QUOTA_EXCEEDED", message: "no room for a volume snapshot", hint: "", facts: {} };
  world.cluster.resourceList = [resource(), resource({ id: "v2", name: "logs", state: "failed", failure })];
  expect(await world.run(...BACKUP, "-q")).toBe(EXIT.partial);
  expect(world.stderr.text).toBe("Failed: cinder.volume logs: no room for a volume snapshot (QUOTA_EXCEEDED)\n");
});

test.each([
  ["NO_REPOSITORY", EXIT.noRepository],
  ["REPOSITORY_UNKNOWN", EXIT.noRepository],
  ["SECRET_WRONG", EXIT.wrongKey],
  ["REPOSITORY_LOCKED", EXIT.wrongKey],
  ["WRONG_KEY", EXIT.wrongKey],
  ["RECOVERY_KEY_MALFORMED", EXIT.wrongKey],
  ["KEY_NOT_IN_KEYRING", EXIT.wrongKey],
  ["REQUEST_INVALID", EXIT.usage],
  ["SESSION_UNKNOWN", EXIT.failed],
  ["NODE_UNREACHABLE", EXIT.failed],
])("an answer of %s ends with %i, without a stack", async (errorCode, code) => {
  const world = createWorld();
  world.cluster.failures.set(
    "startBackup",
    new CodedError(errorCode, "It is so", { hint: "Do this.", facts: { name: "production" } }),
  );
  expect(await world.run(...BACKUP)).toBe(code);
  expect(world.stderr.text).toBe(`Error: It is so (${errorCode})\n  Do this.\n`);
  world.stderr.text = "";
  expect(await world.run(...BACKUP, "-v")).toBe(code);
  expect(world.stderr.text).toBe(`Error: It is so (${errorCode})\n  name: production\n  Do this.\n`);
});

test("a stack only with PERMAFROST_DEBUG", async () => {
  const world = createWorld({ env: { PERMAFROST_DEBUG: "1" } });
  world.cluster.failures.set("startBackup", new CodedError("BROKEN", "It is so", { cause: new Error("deeper") }));
  expect(await world.run(...BACKUP)).toBe(EXIT.failed);
  expect(world.stderr.text).toMatch(/\n +at .*exit-codes\.test\.ts/);
  expect(world.stderr.text).toContain("caused by Error: deeper");
});

test("130: the first Ctrl-C cancels and waits for the cleanup", async () => {
  const world = createWorld();
  let cancelled: () => void = () => {};
  const cancel = new Promise<void>((resolve) => {
    cancelled = resolve;
  });
  world.cluster.onCancel = () => cancelled();
  const failure = { code: "CANCELLED", message: "The session was cancelled", hint: "", facts: {} };
  world.cluster.ended = session({ state: "cancelled", failure });
  world.cluster.resourceList = [resource({ state: "failed", failure })];
  world.cluster.watches = [
    [
      () => {
        setImmediate(() => world.interrupt());
        return { session: session({ state: "running", phase: "stream" }), resources: [] };
      },
      async () => {
        await cancel;
        return { session: session({ state: "running", phase: "clean" }), resources: [] };
      },
      { session: session({ state: "cancelled" }), resources: [] },
    ],
  ];
  expect(await world.run(...BACKUP)).toBe(EXIT.interrupted);
  expect(world.cluster.requestOf("cancelSession")).toEqual({ sessionId: "20261123T170000Z-0a1b2c3d" });
  expect(world.stderr.text).toBe("Cancelling; waiting until temporary objects are removed. Ctrl-C again leaves at once.\n");
  expect(world.left).toEqual([]);
});

test("130: the second Ctrl-C leaves at once", async () => {
  const world = createWorld();
  world.cluster.watches = [
    [
      () => {
        world.interrupt();
        world.interrupt();
        return { session: session(), resources: [] };
      },
    ],
  ];
  await world.run(...BACKUP);
  expect(world.left).toEqual([EXIT.interrupted]);
});

test("130: Ctrl-C before the session exists starts none", async () => {
  const world = createWorld();
  const connect = world.context.connect;
  const context = {
    ...world.context,
    connect: async (endpoint: Parameters<typeof connect>[0]) => {
      setImmediate(() => world.interrupt());
      const cluster = await connect(endpoint);
      return {
        ...cluster,
        repositories: cluster.repositories,
        input: cluster.input,
        close: () => {},
        sessions: {
          ...cluster.sessions,
          startBackup: (_request: unknown, options?: { signal?: AbortSignal }) =>
            new Promise<never>((_resolve, reject) => {
              options?.signal?.addEventListener("abort", () => reject(new CodedError("CANCELLED", "the call was cancelled")));
            }),
        },
      };
    },
  };
  const { runCli } = await import("./run.ts");
  expect(await runCli(BACKUP, context)).toBe(EXIT.interrupted);
  expect(world.stderr.text).toBe("Error: Interrupted (INTERRUPTED)\n");
});

test("a coordinator that goes away and comes back loses nothing; one that stays away is said so", async () => {
  const away = () => {
    throw new CodedError("NODE_UNREACHABLE", "127.0.0.1:7000 cannot be reached", { retry: "later" });
  };
  const world = createWorld();
  world.cluster.watches = [[away], [away], [{ session: session(), resources: [] }]];
  expect(await world.run(...BACKUP)).toBe(EXIT.ok);
  expect(world.stderr.text).toContain("the session goes on, trying again.");
  expect(world.stderr.text).toContain("The coordinator is back.");
  const gone = createWorld();
  gone.cluster.watches = Array.from({ length: 200 }, () => [away]);
  expect(await gone.run(...BACKUP)).toBe(EXIT.failed);
  expect(gone.stderr.text).toContain("(COORDINATOR_LOST)");
});

test("no cluster: the way to one is named", async () => {
  const world = createWorld();
  rmSync(join(world.directory, "client.json"));
  expect(await world.run("sessions")).toBe(EXIT.failed);
  expect(world.stderr.text).toContain("(NOT_RUNNING)");
  expect(world.stderr.text).toContain("permafrost up --data");
});

test("states of sessions", () => {
  expect(["succeeded", "partial", "failed", "cancelled", "running"].map(exitCodeOfState)).toEqual([0, 3, 1, 130, 1]);
});

test("--help and README show the whole table", async () => {
  const world = createWorld();
  expect(await world.run("--help")).toBe(EXIT.ok);
  const readme = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
  for (const { code, meaning } of EXIT_CODES) {
    expect(world.stdout.text).toContain(`  ${String(code).padEnd(4)} ${meaning}`);
    expect(readme).toContain(`| ${code} | ${meaning} |`);
  }
  expect(new Set(EXIT_CODES.map(({ code }) => code))).toEqual(new Set(Object.values(EXIT)));
});
