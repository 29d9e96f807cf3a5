/** The example configurations under `deploy/`, read by the schemas of the roles that would read them. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkListen, loadConfig } from "@permafrost/runtime";
import { coordinatorConfig } from "@permafrost/service-coordinator";
import { storageNodeConfig } from "@permafrost/service-storage-node";
import { workerConfig } from "@permafrost/service-worker";
import { describe, expect, it } from "vitest";

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
