import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codedErrorOf, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { S3_TEST_CREDENTIALS, startS3Server } from "@permafrost/packs/testing";
import { openChannel, remoteBlockStore, type TlsFiles } from "@permafrost/rpc";
import { testAuthority } from "@permafrost/rpc/testing";
import { Lifecycle, loadConfig } from "@permafrost/runtime";
import { toHex, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { storageNodeConfig } from "./config.ts";
import { type StorageNodeOptions, startStorageNode } from "./main.ts";

const token = "a-token-of-the-cluster-for-tests";
const scope = testScope();
const blocks = [testBlock("a", 70_000), testBlock("b", 1_000_000)];
const ids = blocks.map((block) => block.id);

let folder: string;
let running: Lifecycle[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "permafrost-node-"));
  writeFileSync(join(folder, "token"), `${token}\n`, { mode: 0o600 });
  running = [];
});
afterEach(async () => {
  for (const lifecycle of running) await lifecycle.stop();
  rmSync(folder, { recursive: true });
});

/** A configuration file with these settings beside the usual ones. */
function write(settings: object = {}): string {
  const file = join(folder, "node.yaml");
  const all = { listen: "127.0.0.1:0", dataDirectory: "data", tokenFile: "token", log: { level: "error" }, ...settings };
  writeFileSync(file, JSON.stringify(all));
  return file;
}

async function start(settings: object = {}, options: StorageNodeOptions = {}) {
  const lifecycle = new Lifecycle();
  running.push(lifecycle);
  const config = loadConfig(storageNodeConfig, write(settings), { env: {}, envPrefix: "TEST_" });
  const { address } = await startStorageNode(config, lifecycle, options);
  return { address, stop: () => lifecycle.stop() };
}

describe("a storage node", () => {
  it("keeps what it was given over a restart, and over the loss of its index", async () => {
    const first = await start();
    const before = remoteBlockStore({ address: first.address, token });
    await before.put(scope, blocks);
    await before.putRecord(scope, { key: "session/1", version: 1n, body: utf8("record") });
    const [identity] = await before.status();
    await before.close();
    expect(await first.stop()).toEqual([]);

    for (const options of [{}, { rebuildIndex: true }]) {
      const again = await start({}, options);
      const store = remoteBlockStore({ address: again.address, token });
      const got = await store.get(TEST_REPOSITORY, ids);
      expect(got.map((block) => block && toHex(block.digest))).toEqual(blocks.map((block) => toHex(block.digest)));
      expect(await store.listRecords(TEST_REPOSITORY, "session/")).toMatchObject([{ key: "session/1", version: 1n }]);
      expect((await store.status())[0]?.nodeId).toBe(identity?.nodeId);
      await store.close();
      expect(await again.stop()).toEqual([]);
    }
  });

  it("answers health without the token, and nothing else", async () => {
    const { address } = await start();
    const channel = openChannel({ address });
    expect(await channel.isServing()).toBe(true);
    channel.close();
    const store = remoteBlockStore({ address });
    expect((await codedErrorOf(store.reserve(scope, ids))).code).toBe("UNAUTHENTICATED");
    await store.close();
  });

  it("does not listen beyond this machine without mutual TLS", async () => {
    const error = await codedErrorOf(start({ listen: "0.0.0.0:0" }));
    expect(error.code).toBe("LISTEN_NEEDS_TLS");
    expect(error.message).toContain("tls.certFile, tls.keyFile, tls.caFile");
  });

  it("refuses settings that it does not know or that mean nothing", async () => {
    for (const settings of [
      { dataDir: "x" },
      { storage: { packBytes: 1 } },
      { storage: { reserveBytes: -1 } },
      { tls: { certFile: "x" } },
      { packs: { kind: "tape" } },
      { packs: { kind: "disk", prefix: "a" } },
      { packs: { kind: "s3", endpoint: "ftp://x", bucket: "b", prefix: "p", accessKeyId: "k", secretKeyFile: "token" } },
      { packs: { kind: "swift", container: "c", prefix: "../p" } },
      { packs: { kind: "swift", container: "c" } },
    ]) {
      expect((await codedErrorOf(start(settings))).code).toBe("CONFIG_INVALID");
    }
  });

  it("with mutual TLS lets in who has a certificate and the token, and nobody else", async () => {
    const issue = testAuthority(folder);
    const [server, client] = [issue("node"), issue("worker")];
    const other = testAuthority(folder, "other-ca")("stranger");
    const { address } = await start({ listen: "0.0.0.0:0", tls: server });
    const reach = (tls: TlsFiles | undefined, sent?: string) =>
      remoteBlockStore({
        address: address.replace("0.0.0.0", "127.0.0.1"),
        attemptsMax: 1,
        ...(tls && { tls }),
        ...(sent !== undefined && { token: sent }),
      });
    const store = reach(client, token);
    await store.put(scope, blocks);
    expect(await store.confirm(scope, ids)).toEqual([true, true]);
    await store.close();
    for (const [stranger, code] of [
      [reach(client), "UNAUTHENTICATED"],
      [reach(undefined, token), "NODE_UNREACHABLE"],
      [reach({ ...other, caFile: server.caFile }, token), "NODE_UNREACHABLE"],
    ] as const) {
      expect((await codedErrorOf(stranger.confirm(scope, ids))).code).toBe(code);
      await stranger.close();
    }
  });
});

describe("a storage node with its packs in a bucket", () => {
  async function s3() {
    const server = await startS3Server();
    writeFileSync(join(folder, "secret"), `${S3_TEST_CREDENTIALS.secretAccessKey}\n`, { mode: 0o600 });
    const { accessKeyId, region } = S3_TEST_CREDENTIALS;
    const packs = {
      kind: "s3",
      endpoint: server.url,
      region,
      bucket: "bucket",
      prefix: "node-1",
      accessKeyId,
      secretKeyFile: "secret",
    };
    return { server, packs };
  }

  it("keeps everything there, for itself and for the one that takes over", async () => {
    const { server, packs } = await s3();
    try {
      const first = await start({ packs });
      const store = remoteBlockStore({ address: first.address, token });
      await store.put(scope, blocks);
      expect([...server.objects.keys()].filter((key) => !key.startsWith("node-1/"))).toEqual([]);
      expect((await codedErrorOf(start({ packs, dataDirectory: "other" }))).code).toBe("STORE_OWNED");
      const second = await start({ packs, dataDirectory: "other" }, { takeOver: true });
      const other = remoteBlockStore({ address: second.address, token });
      const got = await other.get(TEST_REPOSITORY, ids);
      expect(got.map((block) => block && toHex(block.digest))).toEqual(blocks.map((block) => toHex(block.digest)));
      expect((await other.status())[0]?.nodeId).toBe((await store.status())[0]?.nodeId);
      expect((await codedErrorOf(store.put(scope, [testBlock("late")]))).code).toBe("STORE_READ_ONLY");
      for (const one of [store, other]) await one.close();
      for (const one of [first, second]) expect(await one.stop()).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it("says what is wrong with its secrets, and never what they are", async () => {
    const { server, packs } = await s3();
    try {
      writeFileSync(join(folder, "wrong"), "not-the-secret-of-this-store\n", { mode: 0o600 });
      for (const [setting, code] of [
        [{ secretKeyFile: "wrong" }, "PACK_DENIED"],
        [{ secretKeyFile: "absent" }, "TOKEN_FILE_UNREADABLE"],
        [{ bucket: "absent" }, "PACK_DENIED"],
        [{ caFile: "absent" }, "CONFIG_INVALID"],
      ] as const) {
        const error = await codedErrorOf(start({ packs: { ...packs, ...setting } }));
        expect(error.code).toBe(code);
        expect(JSON.stringify([error.message, error.facts, error.hint])).not.toMatch(/not-the-secret|a-secret/);
      }
    } finally {
      await server.close();
    }
  });
});

describe("the storage node's process", () => {
  const run = (...args: string[]) => {
    const code = `import { main } from ${JSON.stringify(join(import.meta.dirname, "main.ts"))}; await main(process.argv.slice(1));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code, "--", ...args], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    return { child, said: () => said, ended: once(child, "exit").then(([status]) => status as number | null) };
  };

  it("stops in order on SIGTERM, and keeps what it acknowledged when it is killed", async () => {
    const file = write({ log: { level: "info" } });
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const { child, said, ended } = run("--config", file);
      try {
        for (let looks = 0; !said().includes("Listening"); looks++) {
          if (child.exitCode !== null || looks > 1_000) throw new Error(`it does not listen: ${said()}`);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        const address = /"address":"([^"]+)"/.exec(said())?.[1] ?? "";
        const store = remoteBlockStore({ address, token });
        if (signal === "SIGKILL") await store.put(scope, blocks);
        expect(await store.confirm(scope, ids)).toEqual([true, true]);
        await store.close();
      } finally {
        child.kill(signal);
      }
      expect(await ended).toBe(signal === "SIGTERM" ? 0 : null);
      expect(said()).not.toContain(token);
    }
  });

  it("says what is missing, and ends with status 1", async () => {
    const noConfig = run();
    expect(await noConfig.ended).toBe(1);
    expect(noConfig.said()).toContain("USAGE: A storage node needs --config FILE");
    const noDirectory = run("--config", join(folder, "absent.yaml"));
    expect(await noDirectory.ended).toBe(1);
    expect(noDirectory.said()).toContain("CONFIG_INVALID");
  });
});
