import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { loadConfig } from "./config.ts";
import { checkListen, clusterSettings, isLoopback, pathSetting, serviceSettings } from "./config-schema.ts";

const schema = z.strictObject({
  ...serviceSettings,
  ...clusterSettings,
  dataDirectory: pathSetting.default("data"),
  verify: z.boolean().default(false),
});
const GOOD = `
listen: 127.0.0.1:7401
tokenFile: secrets/token
keyring: /srv/keyring
nats:
  servers: [127.0.0.1:4222]
  tokenFile: ../nats-token
nodes:
  - address: 127.0.0.1:7402
  - { address: "[::1]:7403", weight: 2.5, zone: b }
replication: { replicas: 2, writeQuorum: 2 }
`;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "permafrost-config-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function load(text: string, env: Record<string, string> = {}) {
  const file = join(directory, "service.yaml");
  writeFileSync(file, text);
  return loadConfig(schema, file, { env, envPrefix: "PERMAFROST_TEST_" });
}

function refusal(text: string, env: Record<string, string> = {}): CodedError {
  try {
    load(text, env);
  } catch (error) {
    if (CodedError.is(error, "CONFIG_INVALID")) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("loadConfig", () => {
  it("gives the file's values, defaults, and paths relative to the file", () => {
    const config = load(GOOD);
    expect(config).toEqual({
      listen: "127.0.0.1:7401",
      tokenFile: join(directory, "secrets/token"),
      keyring: "/srv/keyring",
      nats: { servers: ["127.0.0.1:4222"], tokenFile: join(directory, "../nats-token"), replicas: 1 },
      nodes: [
        { address: "127.0.0.1:7402", weight: 1, zone: "default" },
        { address: "[::1]:7403", weight: 2.5, zone: "b" },
      ],
      replication: { replicas: 2, writeQuorum: 2 },
      log: { level: "info" },
      dataDirectory: "data",
      verify: false,
    });
    expect(Object.isFrozen(config.nats.servers)).toBe(true);
  });

  it("lets the environment override single values and lists of words", () => {
    const config = load(GOOD, {
      PERMAFROST_TEST_LISTEN: "127.0.0.1:0",
      PERMAFROST_TEST_LOG_LEVEL: "debug",
      PERMAFROST_TEST_NATS_SERVERS: "a:1, b:2",
      PERMAFROST_TEST_NATS_TOKEN_FILE: "other",
      PERMAFROST_TEST_REPLICATION_WRITE_QUORUM: "1",
      PERMAFROST_TEST_VERIFY: "true",
      PERMAFROST_TEST_KEYRING: "",
      PERMAFROST_TEST_NODES: "x:1",
      PERMAFROST_TEST_SERVICE_HOST: "10.0.0.1",
    });
    expect([config.listen, config.log.level, config.nats.servers, config.nats.tokenFile, config.replication.writeQuorum]).toEqual(
      ["127.0.0.1:0", "debug", ["a:1", "b:2"], join(directory, "other"), 1],
    );
    expect([config.verify, config.keyring, config.nodes.length]).toEqual([true, "/srv/keyring", 2]);
  });

  it("names the file, line and known settings for an unknown key", () => {
    const error = refusal(GOOD.replace("  tokenFile: ../nats-token", "  tokenfile: x"));
    expect(error.message).toBe(`${join(directory, "service.yaml")}:7: nats.tokenfile: is not a setting`);
    expect(error.hint).toContain("tokenFile");
    expect(refusal(`${GOOD}\nlisen: x\n`).message).toContain("lisen: is not a setting");
    expect(refusal(GOOD.replace("weight: 2.5", "wait: 1")).hint).toContain("weight");
  });

  it("names the place of a wrong and of a missing value", () => {
    const wrong = refusal(GOOD.replace("127.0.0.1:7402", "storage"));
    expect(wrong.message).toContain(":9: nodes.0.address: must be host:port");
    expect(wrong.facts).toMatchObject({ field: "nodes.0.address", problems: 1 });
    const missing = refusal(GOOD.replace("  servers: [127.0.0.1:4222]\n", ""));
    expect(missing.message).toContain(":6: nats.servers: is missing");
    expect(refusal("").message).toContain("listen: is missing");
  });

  it("names the variable when the environment is wrong", () => {
    const error = refusal(GOOD, { PERMAFROST_TEST_REPLICATION_REPLICAS: "many" });
    expect(error.message).toContain("PERMAFROST_TEST_REPLICATION_REPLICAS: replication.replicas:");
    expect(refusal(GOOD, { PERMAFROST_TEST_VERIFY: "maybe" }).facts.where).toBe("PERMAFROST_TEST_VERIFY");
  });

  it("refuses contradictions", () => {
    expect(refusal(GOOD.replace("writeQuorum: 2", "writeQuorum: 3")).message).toContain("writeQuorum is larger than replicas");
    expect(refusal(GOOD.replace('"[::1]:7403"', "127.0.0.1:7402")).message).toContain("same address twice");
    expect(refusal(`${GOOD}\ntls: { certFile: a }`).message).toMatch(/tls.keyFile: is missing\n.*tls.caFile: is missing/);
  });

  it("shows ten problems and counts the rest", () => {
    const text = Array.from({ length: 15 }, (_, index) => `wrong${index}: 1`).join("\n");
    const error = refusal(`${GOOD}\n${text}`);
    expect(error.message.split("\n")).toHaveLength(11);
    expect(error.message).toContain("and 5 more");
  });

  it("says where YAML is broken, and refuses what is no mapping", () => {
    expect(refusal("listen: [1\nother: 2").message).toMatch(/service\.yaml:\d: /);
    expect(refusal("listen: a\nlisten: b").message).toContain("unique");
    expect(refusal("- a\n- b").message).toContain("expected object");
    expect(refusal("just words").message).toContain("expected object");
  });

  it("says when the file cannot be read or is no configuration", () => {
    const options = { env: {}, envPrefix: "X_" };
    expect(() => loadConfig(schema, join(directory, "absent.yaml"), options)).toThrow(/absent\.yaml: cannot be read \(ENOENT\)/);
    expect(() => load(`# ${"x".repeat(1024 * 1024)}`)).toThrow(/larger than 1 MiB/);
  });
});

describe("listening", () => {
  it("knows which addresses only this machine reaches", () => {
    expect(["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "127.0.0.1"].map(isLoopback)).not.toContain(false);
    expect(
      ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "localhost.evil.org:1", "127.0.0.1.evil.org:1", ""].map(isLoopback),
    ).not.toContain(true);
  });

  it("needs mutual TLS beyond loopback, and says which settings", () => {
    const tls = { certFile: "/a", keyFile: "/b", caFile: "/c" };
    checkListen({ listen: "127.0.0.1:1" });
    checkListen({ listen: "0.0.0.0:1", tls });
    const error = (() => {
      try {
        checkListen({ listen: "0.0.0.0:1" });
      } catch (reason) {
        return reason;
      }
    })();
    expect(CodedError.is(error, "LISTEN_NEEDS_TLS") && error.message).toContain("tls.certFile, tls.keyFile, tls.caFile");
  });
});
