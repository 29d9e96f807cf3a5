import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codedErrorOf, TEST_REPOSITORY, testBlock, testScope } from "@permafrost/blocks/testing";
import { openChannel, remoteBlockStore, type TlsFiles } from "@permafrost/rpc";
import { testAuthority } from "@permafrost/rpc/testing";
import { Lifecycle, loadConfig } from "@permafrost/runtime";
import { toHex, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { storageNodeConfig } from "./config.ts";
import { startStorageNode } from "./main.ts";

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

async function start(settings: object = {}, options: { rebuildIndex?: boolean } = {}) {
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
