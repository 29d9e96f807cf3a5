/** The worker's configuration file, and the starts that it refuses. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codedErrorOf } from "@permafrost/blocks/testing";
import { Lifecycle, loadConfig } from "@permafrost/runtime";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { workerConfig } from "./config.ts";
import { startWorker } from "./main.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "permafrost-worker-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Loads a file with these settings beside the usual ones. */
async function load(settings: object = {}, env: Record<string, string> = {}) {
  const file = join(folder, "worker.yaml");
  const usual = {
    listen: "127.0.0.1:0",
    tokenFile: "token",
    nats: { servers: ["nats://127.0.0.1:4222"] },
    nodes: [{ address: "127.0.0.1:7401" }],
    replication: { replicas: 1, writeQuorum: 1 },
    keyring: "keyring",
  };
  await writeFile(file, JSON.stringify({ ...usual, ...settings }));
  return loadConfig(workerConfig, file, { env, envPrefix: "TEST_" });
}

describe("the worker's configuration", () => {
  it("takes paths from its file's directory and single settings from the environment", async () => {
    const settings = { openstack: { configFile: "clouds.yaml" } };
    expect(await load(settings, { TEST_SLOTS: "8", TEST_ADVERTISE: "worker.example.net:7402" })).toMatchObject({
      slots: 8,
      advertise: "worker.example.net:7402",
      openstack: { configFile: join(folder, "clouds.yaml") },
    });
    expect(await load()).toMatchObject({ slots: 2, openstack: {} });
  });

  it.each<[string, object]>([
    ["workers", { workers: 2 }],
    ["slots", { slots: 0 }],
    ["slots", { slots: 1.5 }],
    ["advertise", { advertise: "worker.example.net" }],
    ["openstack.file", { openstack: { file: "clouds.yaml" } }],
    ["advertise", { listen: "0.0.0.0:7402" }],
    ["advertise", { listen: "[::]:7402" }],
  ])("is refused for a wrong %s: %j", async (field, settings) => {
    const error = await codedErrorOf(load(settings));
    expect([error.code, error.facts.field]).toEqual(["CONFIG_INVALID", field]);
    expect(error.message).toMatch(/worker\.yaml:\d+: /);
  });
});

describe("a worker", () => {
  it("does not listen beyond this machine without mutual TLS, and names the settings", async () => {
    const config = await load({ listen: "0.0.0.0:7402", advertise: "10.0.0.12:7402" });
    const error = await codedErrorOf(startWorker(config, new Lifecycle()));
    expect(error).toMatchObject({ code: "LISTEN_NEEDS_TLS", facts: { listen: "0.0.0.0:7402" } });
    expect(error.message).toContain("tls.certFile, tls.keyFile, tls.caFile");
  });
});
