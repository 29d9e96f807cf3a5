/** The coordinator's configuration file, and the starts that it refuses. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codedErrorOf } from "@permafrost/blocks/testing";
import { Lifecycle, loadConfig } from "@permafrost/runtime";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { coordinatorConfig } from "./config.ts";
import { startCoordinator } from "./main.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "permafrost-coordinator-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Loads a file with these settings beside the usual ones. */
async function load(settings: object = {}, env: Record<string, string> = {}) {
  const file = join(folder, "coordinator.yaml");
  const usual = {
    listen: "127.0.0.1:0",
    tokenFile: "token",
    nats: { servers: ["nats://127.0.0.1:4222"] },
    nodes: [{ address: "127.0.0.1:7401" }],
    replication: { replicas: 1, writeQuorum: 1 },
    keyring: "keyring",
  };
  await writeFile(file, JSON.stringify({ ...usual, ...settings }));
  return loadConfig(coordinatorConfig, file, { env, envPrefix: "TEST_" });
}

describe("the coordinator's configuration", () => {
  it("takes paths from its file's directory and single settings from the environment", async () => {
    const config = await load({}, { TEST_NATS_SERVERS: "nats://a:4222,nats://b:4222", TEST_REPLICATION_REPLICAS: "2" });
    expect(config).toMatchObject({
      keyring: join(folder, "keyring"),
      tokenFile: join(folder, "token"),
      nats: { servers: ["nats://a:4222", "nats://b:4222"], replicas: 1 },
      nodes: [{ weight: 1, zone: "default" }],
      replication: { replicas: 2, writeQuorum: 1 },
      log: { level: "info" },
    });
  });

  it.each<[string, object]>([
    ["slots", { slots: 2 }],
    ["nats.tokenfile", { nats: { servers: ["a"], tokenfile: "x" } }],
    ["replication", { replication: { replicas: 1, writeQuorum: 2 } }],
    ["nodes", { nodes: [] }],
    ["tls.keyFile", { tls: { certFile: "a", caFile: "b" } }],
    ["listen", { listen: "7400" }],
  ])("is refused for a wrong %s", async (field, settings) => {
    const error = await codedErrorOf(load(settings));
    expect([error.code, error.facts.field]).toEqual(["CONFIG_INVALID", field]);
    expect(error.message).toMatch(/coordinator\.yaml:\d+: /);
  });
});

describe("a coordinator", () => {
  it("does not listen beyond this machine without mutual TLS, and names the settings", async () => {
    const error = await codedErrorOf(startCoordinator(await load({ listen: "0.0.0.0:7400" }), new Lifecycle()));
    expect(error).toMatchObject({ code: "LISTEN_NEEDS_TLS", facts: { listen: "0.0.0.0:7400" } });
    expect(error.message).toContain("tls.certFile, tls.keyFile, tls.caFile");
  });
});
