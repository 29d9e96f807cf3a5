/** A cluster over several addresses with mutual TLS, driven by the command line as its users do; and who is kept out. */

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectControl } from "@permafrost/client";
import type { TlsFiles } from "@permafrost/rpc";
import { testAuthority } from "@permafrost/rpc/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { Cluster } from "../harness/cluster.ts";
import { initRepository } from "../harness/session.ts";
import { noise } from "../harness/tenant.ts";

const MAIN = fileURLToPath(new URL("../../services/cli/src/main.ts", import.meta.url));
/** Three hosts: each role is reached at the address that its certificate is for, and at no other. */
const HOSTS: Readonly<Record<string, string>> = {
  coordinator: "127.0.0.2",
  "worker-1": "127.0.0.3",
  "node-1": "127.0.0.2",
  "node-2": "127.0.0.3",
  "node-3": "127.0.0.4",
};
const host = (name: string) => HOSTS[name] ?? "127.0.0.1";

let folder: string;
let cluster: Cluster;
const certificates = new Map<string, TlsFiles>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "permafrost-tls-"));
  const issue = testAuthority(folder);
  for (const name of [...Object.keys(HOSTS), "client"]) certificates.set(name, issue(name, `IP:${host(name)}`));
  certificates.set("stranger", testAuthority(folder, "other-ca")("stranger"));
  cluster = await Cluster.start({ nodes: 3, replicas: 3, writeQuorum: 2, tls, host });
  await initRepository(cluster);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  await rm(folder, { recursive: true, force: true });
});

function tls(name: string): TlsFiles {
  const files = certificates.get(name);
  if (files === undefined) throw new Error(`no certificate of ${name}`);
  return files;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** `permafrost` as a process of its own. */
async function permafrost(args: readonly string[], stdin?: Buffer): Promise<Ended> {
  const env = { ...process.env, NO_COLOR: "1", PERMAFROST_DATA: folder };
  const child = execFile(process.execPath, [MAIN, ...args], { encoding: "buffer", env, timeout: 30_000, maxBuffer: 2 ** 26 });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk) => stdout.push(Buffer.from(chunk)));
  child.stderr?.on("data", (chunk) => stderr.push(Buffer.from(chunk)));
  child.stdin?.on("error", () => undefined); // a command that refuses does not read
  child.stdin?.end(stdin);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}

function connection(files: TlsFiles): string[] {
  const { caFile, certFile, keyFile } = files;
  const token = join(cluster.directory, "token");
  const address = cluster.addressOf("coordinator");
  return ["--address", address, "--token-file", token, "--tls-ca", caFile, "--tls-cert", certFile, "--tls-key", keyFile];
}

describe("a cluster over three addresses with mutual TLS", () => {
  it("takes a stream from the command line and gives it back", async () => {
    const data = noise("over TLS", 3_000_000);
    const at = ["--repository", "acme", ...connection(tls("client"))];
    const backup = await permafrost(["backup", "--input", "stream", "--name", "dump", ...at], data);
    expect([backup.code, backup.stderr]).toEqual([0, expect.not.stringContaining("Error")]);
    const restore = await permafrost(["restore", "latest", "--to-stdout", ...at]);
    expect(restore.code).toBe(0);
    expect(restore.stdout.equals(data)).toBe(true);
  }, 60_000);

  it("keeps out who has no certificate, one of another authority, or the wrong token", async () => {
    const { caFile } = tls("client");
    for (const [name, port] of [
      ["coordinator", cluster.addressOf("coordinator")],
      ["worker-1", cluster.addressOf("worker-1")],
      ["node-1", cluster.addressOf("node-1")],
    ] as const) {
      for (const [who, options, code] of [
        ["no TLS", { token: cluster.token }, "NODE_UNREACHABLE"],
        ["a stranger", { token: cluster.token, tls: { ...tls("stranger"), caFile } }, "NODE_UNREACHABLE"],
      ] as const) {
        const refused = connectControl({ address: port, timeoutMs: 5_000, ...options });
        const error = await refused.health().then(
          () => "let in",
          (e: { code: string }) => e.code,
        );
        expect([name, who, error]).toEqual([name, who, code]);
        refused.close();
      }
    }
    const wrong = connectControl({ address: cluster.addressOf("coordinator"), token: "not-the-token-of-it", tls: tls("client") });
    await expect(wrong.repositories.listRepositories({})).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    wrong.close();
  }, 30_000);
});

describe("a role that would listen beyond this machine without TLS", () => {
  it.each(["coordinator", "worker-1", "node-1"])(
    "%s does not start, and names the settings",
    async (name) => {
      const { tls: _, ...settings } = parse(await readFile(cluster.configOf(name), "utf8")) as Record<string, unknown>;
      const file = join(cluster.directory, `${name}-open.yaml`);
      const advertise = name === "worker-1" ? { advertise: "10.0.0.12:7402" } : {};
      await writeFile(file, stringify({ ...settings, ...advertise, listen: "0.0.0.0:0" }));
      const kind = name === "node-1" ? "storage-node" : name.replace(/-\d$/, "");
      const { code, stderr } = await permafrost([kind, "--config", file]);
      expect(code).toBe(1);
      expect(stderr).toContain("LISTEN_NEEDS_TLS");
      expect(stderr).toContain("tls.certFile, tls.keyFile, tls.caFile");
    },
    30_000,
  );
});
