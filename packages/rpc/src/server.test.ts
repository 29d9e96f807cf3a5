import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlockStore, memoryBlockStore } from "@permafrost/blocks";
import { codedErrorOf, testBlock, testScope } from "@permafrost/blocks/testing";
import { CodedError, toHex } from "@permafrost/std";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { testAuthority } from "../testing/certificates.ts";
import { blockService } from "./block-service.ts";
import { openChannel } from "./channel.ts";
import type { TlsFiles } from "./credentials.ts";
import { BlockServiceDefinition } from "./gen/permafrost/block/v1/block.ts";
import { remoteBlockStore } from "./remote-store.ts";
import { type RunningServer, type ServerOptions, startServer } from "./server.ts";

const scope = testScope();
let folder: string;
const running: RunningServer[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "permafrost-rpc-"));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

async function start(options: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({
    listen: "127.0.0.1:0",
    services: [blockService(memoryBlockStore())],
    drainMs: 200,
    ...options,
  });
  running.push(server);
  return server;
}

describe("listening", () => {
  it("beyond loopback needs mutual TLS, and names each setting that is missing", async () => {
    const error = await codedErrorOf(start({ listen: "0.0.0.0:0" }));
    expect(error.code).toBe("LISTEN_NEEDS_TLS");
    expect(error.message).toContain("tls.certFile, tls.keyFile, tls.caFile");
  });

  it("names a file that cannot be read, and an address that is taken", async () => {
    const absent = join(folder, "absent.pem");
    const unreadable = await codedErrorOf(start({ tls: { certFile: absent, keyFile: absent, caFile: absent } }));
    expect([unreadable.code, unreadable.facts.path]).toEqual(["CONFIG_INVALID", absent]);
    const { address } = await start();
    expect((await codedErrorOf(start({ listen: address }))).code).toBe("LISTEN_FAILED");
  });

  it("listens on IPv6", async () => {
    const { address } = await start({ listen: "[::1]:0" });
    expect(address).toMatch(/^\[::1\]:\d+$/);
    const store = remoteBlockStore({ address });
    expect(await store.reserve(scope, [testBlock("a").id])).toEqual([false]);
    await store.close();
  });
});

describe("the token", () => {
  const token = "0123456789abcdef0123456789abcdef";

  it("for reading reads, and opens no call that writes, pins, lists for a prune or deletes", async () => {
    const [tokenFile, readTokenFile] = [join(folder, "full-token"), join(folder, "read-token")];
    const readToken = "fedcba9876543210fedcba9876543210";
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    writeFileSync(readTokenFile, `${readToken}\n`, { mode: 0o600 });
    const { address } = await start({ tokenFile, readTokenFile });
    const [full, reader] = [token, readToken].map((sent) => remoteBlockStore({ address, token: sent, attemptsMax: 1 })) as [
      BlockStore,
      BlockStore,
    ];
    const block = testBlock("a");
    const record = { key: "session/1", version: 1n, body: Uint8Array.of(7) };
    await full.put(scope, [block]);
    await full.putRecord(scope, record);
    const { repositoryId } = scope;
    expect(toHex((await reader.get(repositoryId, [block.id]))[0]?.digest ?? block.id)).toBe(toHex(block.digest));
    expect(await reader.listRecords(repositoryId, "")).toMatchObject([{ key: "session/1", version: 1n }]);
    expect(await reader.getRecord(repositoryId, "session/1")).toMatchObject({ key: "session/1", version: 1n });
    expect(await reader.listRepositories()).toEqual([repositoryId]);
    expect(await reader.status()).toHaveLength(1);
    const [pruning] = await reader.pruning();
    for (const call of [
      () => reader.put(scope, [testBlock("b")]),
      () => reader.reserve(scope, [block.id]),
      () => reader.confirm(scope, [block.id]),
      () => reader.putRecord(scope, { ...record, version: 2n }),
      () => reader.deleteRecord(scope, "session/1", 2n),
      async () => await pruning?.list(repositoryId)[Symbol.asyncIterator]().next(),
      async () => await pruning?.condemn(repositoryId, 1, (async function* () {})()),
    ])
      expect((await codedErrorOf(call())).code).toBe("READ_ONLY_TOKEN");
    for (const store of [full, reader]) await store.close();
    expect((await codedErrorOf(start({ readTokenFile }))).code).toBe("CONFIG_INVALID");
    expect((await codedErrorOf(start({ tokenFile, readTokenFile: tokenFile }))).code).toBe("CONFIG_INVALID");
  });

  it("is needed by every service call, and not by health", async () => {
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    const { address } = await start({ tokenFile });
    for (const wrong of [{}, { token: "wrong-wrong-wrong-wrong" }]) {
      const store = remoteBlockStore({ address, ...wrong });
      for (const work of [
        () => store.reserve(scope, []),
        () => store.put(scope, [testBlock("a")]),
        () => store.listRepositories(),
      ]) {
        const error = await codedErrorOf(work());
        expect([error.code, error.retry]).toEqual(["UNAUTHENTICATED", "never"]);
        expect(JSON.stringify(error)).not.toContain(token);
      }
      await store.close();
    }
    const anonymous = openChannel({ address });
    expect(await anonymous.isServing()).toBe(true);
    anonymous.close();
    const store = remoteBlockStore({ address, token });
    await store.put(scope, [testBlock("a")]);
    expect(await store.confirm(scope, [testBlock("a").id])).toEqual([true]);
    await store.close();
  });

  it("is read from a file that only its owner can read", async () => {
    const tokenFile = join(folder, "open-token");
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o644 });
    expect((await codedErrorOf(start({ tokenFile }))).code).toBe("TOKEN_FILE_OPEN");
  });
});

describe("mutual TLS", () => {
  let server: TlsFiles;
  let client: TlsFiles;
  let stranger: TlsFiles;
  let elsewhere: TlsFiles;

  beforeAll(() => {
    const issue = testAuthority(folder);
    server = issue("server");
    client = issue("client");
    elsewhere = issue("elsewhere", "IP:10.1.2.3,DNS:elsewhere.example");
    stranger = testAuthority(folder, "other-ca")("stranger");
  });

  it("lets in a client of the authority, over a tuned window", async () => {
    const node = await start({ listen: "0.0.0.0:0", tls: server });
    for (const host of ["127.0.0.1", "localhost"]) {
      const store = remoteBlockStore({ address: `${host}:${node.port}`, tls: client });
      await store.put(scope, [testBlock("a", 500_000)]);
      expect(await store.confirm(scope, [testBlock("a", 500_000).id])).toEqual([true]);
      await store.close();
    }
    expect(node.tunedConnections()).toBe(2);
  });

  it("refuses a server whose certificate is for another host", async () => {
    const { port } = await start({ tls: elsewhere });
    for (const host of ["127.0.0.1", "localhost"]) {
      const store = remoteBlockStore({ address: `${host}:${port}`, tls: client, attemptsMax: 1 });
      const error = await codedErrorOf(store.status());
      expect(error.code).toBe("NODE_UNREACHABLE");
      expect(error.message).toMatch(/does not match certificate's altnames/);
      await store.close();
    }
  });

  it("refuses a client of another authority, one without a certificate, and plain text", async () => {
    const { address } = await start({ tls: server });
    const withoutCertificate = { ...stranger, caFile: server.caFile };
    for (const tls of [stranger, withoutCertificate, undefined]) {
      const store = remoteBlockStore({ address, attemptsMax: 1, ...(tls && { tls }) });
      expect((await codedErrorOf(store.status())).code).toBe("NODE_UNREACHABLE");
      await store.close();
    }
  });
});

describe("calls", () => {
  it("answer an unknown error without its text, and log it", async () => {
    const logged: object[] = [];
    const store = { ...memoryBlockStore(), status: async () => Promise.reject(new Error("/secret/path")) };
    const { address } = await start({ services: [blockService(store)], logger: { error: (fields) => logged.push(fields) } });
    const remote = remoteBlockStore({ address, attemptsMax: 1 });
    const error = await codedErrorOf(remote.status());
    expect(error.code).toBe("INTERNAL");
    expect(`${error.message} ${JSON.stringify(error.facts)}`).not.toContain("secret");
    expect(logged).toMatchObject([{ method: "/permafrost.block.v1.BlockService/Status", err: { message: "/secret/path" } }]);
    await remote.close();
  });

  it("fail with DEADLINE when there is no answer in time, and CANCELLED when the caller gives up", async () => {
    const store = { ...memoryBlockStore(), status: () => new Promise<never>(() => undefined) };
    const { address } = await start({ services: [blockService(store)] });
    const channel = openChannel({ address, timeoutMs: 100 });
    const client = channel.client(BlockServiceDefinition);
    const late = await codedErrorOf(client.status({}));
    expect([late.code, late.retry, late.facts.timeoutMs]).toEqual(["DEADLINE", "later", 100]);
    const cancelled = await codedErrorOf(client.status({}, { timeoutMs: 5_000, signal: AbortSignal.timeout(50) }));
    expect([cancelled.code, cancelled.retry]).toEqual(["CANCELLED", "never"]);
    channel.close();
  });

  it("refuse a Put stream whose first message has no scope or whose sequence has a gap", async () => {
    const { address } = await start();
    const channel = openChannel({ address });
    const client = channel.client(BlockServiceDefinition);
    const put = async (...messages: { scope?: typeof scope; sequence: bigint }[]) => {
      async function* requests() {
        for (const message of messages) yield { ...message, blocks: [] };
      }
      const acknowledged: bigint[] = [];
      for await (const { sequence } of client.put(requests())) acknowledged.push(sequence);
      return acknowledged;
    };
    expect(await put({ scope, sequence: 1n }, { sequence: 2n })).toEqual([1n, 2n]);
    expect((await codedErrorOf(put({ sequence: 1n }))).code).toBe("REQUEST_INVALID");
    const gap = await codedErrorOf(put({ scope, sequence: 1n }, { sequence: 3n }));
    expect([gap.code, gap.facts.sequence]).toEqual(["REQUEST_INVALID", 3]);
    expect((await codedErrorOf(client.putRecord({ scope }))).code).toBe("REQUEST_INVALID");
    expect((await codedErrorOf(client.reserve({}))).code).toBe("REQUEST_INVALID");
    channel.close();
  });

  it("refuse a message that is larger than the limit", async () => {
    const { address } = await start();
    const channel = openChannel({ address });
    const record = { key: "k/1", version: 1n, body: new Uint8Array(9 * 1024 * 1024) };
    expect((await codedErrorOf(channel.client(BlockServiceDefinition).putRecord({ scope, record }))).code).toBe(
      "MESSAGE_TOO_LARGE",
    );
    channel.close();
  });

  it("end in bounded time when the server stops, whether or not they have an answer", async () => {
    const store = { ...memoryBlockStore(), status: () => new Promise<never>(() => undefined) };
    const server = await start({ services: [blockService(store)], drainMs: 100 });
    const channel = openChannel({ address: server.address });
    expect(await channel.isServing()).toBe(true);
    server.setHealthy(false);
    expect(await channel.isServing()).toBe(false);
    const call = codedErrorOf(channel.client(BlockServiceDefinition).status({}));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await Promise.all([server.stop(), server.stop()]);
    expect(CodedError.is(await call)).toBe(true);
    channel.close();
  });
});
