/** The example configurations and the compose cluster under `deploy/`, read by the schemas of the roles that would read them. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkListen, loadConfig } from "@permafrost/runtime";
import { coordinatorConfig } from "@permafrost/service-coordinator";
import { storageNodeConfig } from "@permafrost/service-storage-node";
import { workerConfig } from "@permafrost/service-worker";
import { describe, expect, it } from "vitest";
import { readComposeFile } from "../containers/compose-file.ts";

const DEPLOY = fileURLToPath(new URL("../../deploy/", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../deploy/examples/", import.meta.url));
const SCHEMAS = { "coordinator.yaml": coordinatorConfig, "storage-node.yaml": storageNodeConfig, "worker.yaml": workerConfig };

function load<Name extends keyof typeof SCHEMAS>(example: string, name: Name) {
  return loadConfig(SCHEMAS[name], join(EXAMPLES, example, name), { env: {}, envPrefix: "PERMAFROST_" });
}

describe.each(readdirSync(EXAMPLES))("deploy/examples/%s", (example) => {
  it("has files of roles only, each of which its role reads and would listen with", () => {
    const files = readdirSync(join(EXAMPLES, example));
    expect(files.sort()).toEqual(Object.keys(SCHEMAS));
    for (const name of Object.keys(SCHEMAS) as (keyof typeof SCHEMAS)[]) checkListen(load(example, name));
  });

  it("agrees with itself", () => {
    const coordinator = load(example, "coordinator.yaml");
    const worker = load(example, "worker.yaml");
    const node = load(example, "storage-node.yaml");
    for (const shared of ["nodes", "replication", "nats", "tokenFile"] as const)
      expect(worker[shared]).toEqual(coordinator[shared]);
    expect(coordinator.nodes.map((one) => one.address)).toContain(node.listen);
    expect(node.tokenFile).toBe(coordinator.tokenFile);
    const zones = new Set(coordinator.nodes.map((one) => one.zone));
    expect(zones.size).toBeGreaterThanOrEqual(coordinator.replication.replicas);
  });
});

describe("deploy/compose.yaml", () => {
  const config = <Name extends keyof typeof SCHEMAS>(name: Name) =>
    loadConfig(SCHEMAS[name], join(DEPLOY, "compose", name), {
      // As compose.yaml sets it for each worker.
      env: name === "worker.yaml" ? { PERMAFROST_WORKER_ADVERTISE: "worker-1:7402" } : {},
      envPrefix: name === "worker.yaml" ? "PERMAFROST_WORKER_" : "PERMAFROST_",
    });

  it("has files that its roles read, with mutual TLS, and services where they look for each other", async () => {
    for (const name of Object.keys(SCHEMAS) as (keyof typeof SCHEMAS)[]) checkListen(config(name));
    const [coordinator, worker] = [config("coordinator.yaml"), config("worker.yaml")];
    for (const shared of ["nodes", "replication", "nats", "tokenFile", "keyring"] as const)
      expect(worker[shared]).toEqual(coordinator[shared]);
    const services = await readComposeFile(join(DEPLOY, "compose.yaml"));
    for (const { address } of coordinator.nodes) expect(services.has(address.split(":")[0] ?? "")).toBe(true);
    expect(coordinator.nats.servers).toEqual(["nats://nats:4222"]);
    for (const [name, { command = [], environment = {} }] of services) {
      const [role = "", flag, file = ""] = command;
      if (command.length === 0) continue;
      expect([flag, file]).toEqual(["--config", `/opt/permafrost/deploy/compose/${role}.yaml`]);
      if (role === "worker") expect(environment.PERMAFROST_WORKER_ADVERTISE).toBe(`${name}:7402`);
    }
  });
});
