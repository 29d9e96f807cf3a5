import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { CodedError, fromUtf8, randomId, systemClock, utf8 } from "@permafrost/std";
import { afterEach, describe, expect, it } from "vitest";
import { busSuite } from "../../testing/suite.ts";
import { type NatsServer, startNatsServer } from "../nats-server.ts";
import { connectBus } from "./bus.ts";
import { isVersionEnough } from "./connection.ts";
import { deliveriesOf } from "./queue.ts";
import { filterOf } from "./table.ts";

const token = randomId();
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function temporaryDirectory(): Promise<string> {
  return await mkdtemp(join(tmpdir(), "permafrost-nats-"));
}

busSuite("connectBus", async () => {
  const storeDirectory = await temporaryDirectory();
  const server = await startNatsServer({ storeDirectory, token });
  const bus = await connectBus({ servers: server.url, token, name: "one" });
  const other = await connectBus({ servers: [`127.0.0.1:${server.port}`], token, name: "two" });
  return {
    bus,
    other,
    stop: async () => {
      await bus.close();
      await other.close();
      await server.stop();
      await rm(storeDirectory, { recursive: true });
    },
  };
});

/** A server that says `info` to whoever connects, and answers pings. */
async function pretendServer(info: object): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on("data", (data) => {
      if (data.includes("PING")) socket.write("PONG\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `127.0.0.1:${address.port}`;
}

async function failure(work: Promise<unknown>): Promise<CodedError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!CodedError.is(error)) throw new Error(`expected a CodedError, not ${String(error)}`);
  return error;
}

async function start(storeDirectory: string, port?: number): Promise<NatsServer> {
  const server = await startNatsServer({ storeDirectory, token, ...(port === undefined ? {} : { port }) });
  cleanups.push(() => server.stop());
  return server;
}

async function freshStore(): Promise<string> {
  const storeDirectory = await temporaryDirectory();
  cleanups.push(() => rm(storeDirectory, { recursive: true, force: true }));
  return storeDirectory;
}

/** Repeats what may be tried later, for at most ten seconds. */
async function withPatience<T>(work: () => Promise<T>): Promise<T> {
  const deadline = systemClock.monotonic() + 10_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!CodedError.is(error) || error.retry !== "later" || systemClock.monotonic() > deadline) throw error;
      await systemClock.sleep(100);
    }
  }
}

describe("connectBus refuses at the start", () => {
  it("a server that is not there", async () => {
    const error = await failure(connectBus({ servers: "127.0.0.1:1", name: "test" }));
    expect([error.code, error.retry]).toEqual(["BUS_UNREACHABLE", "later"]);
    expect(error.message).toContain("127.0.0.1:1");
  });

  it("a server that is too old", async () => {
    const servers = await pretendServer({ server_id: "x", version: "2.9.9", max_payload: 1_048_576, jetstream: true });
    const error = await failure(connectBus({ servers, name: "test" }));
    expect(error.code).toBe("BUS_TOO_OLD");
    expect(error.facts).toMatchObject({ version: "2.9.9", minimum: "2.9.10" });
  });

  it("a server without JetStream", async () => {
    const servers = await pretendServer({ server_id: "x", version: "2.10.0", max_payload: 1_048_576 });
    const error = await failure(connectBus({ servers, name: "test" }));
    expect(error.code).toBe("BUS_NO_JETSTREAM");
    expect(error.hint).toContain("jetstream");
  });

  it("a wrong token, without showing it", async () => {
    const server = await start(await freshStore());
    const error = await failure(connectBus({ servers: server.url, token: "wrong-token", name: "test" }));
    expect(error.code).toBe("BUS_DENIED");
    expect(JSON.stringify(error)).not.toContain("wrong-token");
    expect(error.message).not.toContain("wrong-token");
  });

  it("a token file that cannot be read", async () => {
    const error = await failure(connectBus({ servers: "127.0.0.1:1", tokenFile: "/nonexistent/token", name: "test" }));
    expect(error.code).toBe("BUS_DENIED");
    expect(error.facts).toEqual({ file: "/nonexistent/token" });
  });

  it("more replicas than the cluster has servers", async () => {
    const server = await start(await freshStore());
    const bus = await connectBus({ servers: server.url, token, name: "test", replicas: 3 });
    cleanups.push(() => bus.close());
    const error = await failure(bus.queue("q", { ackWaitMs: 1_000 }));
    expect([error.code, error.retry]).toEqual(["BUS_FAILED", "later"]);
  });
});

describe("connectBus", () => {
  it("takes its token from a file", async () => {
    const storeDirectory = await freshStore();
    const server = await start(storeDirectory);
    const tokenFile = join(storeDirectory, "token");
    await writeFile(tokenFile, `${token}\n`);
    const bus = await connectBus({ servers: server.url, tokenFile, name: "test" });
    await bus.ping();
    await bus.close();
  });

  it("removes the markers of deleted keys after a minute, and never a newer value", async () => {
    const server = await start(await freshStore());
    let skippedMs = 0;
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skippedMs };
    const bus = await connectBus({ servers: server.url, token, name: "test", clock });
    cleanups.push(() => bus.close());
    const nats = await connect({ servers: server.url, token });
    cleanups.push(() => nats.close());
    const table = await bus.table("t");
    const stored = async () => (await (await jetstreamManager(nats)).streams.info("KV_permafrost_table_t")).state.messages;
    for (const key of ["gone", "back"]) {
      await table.put(key, utf8("1"));
      await table.delete(key);
    }
    await table.list("");
    skippedMs = 61_000;
    await table.put("back", utf8("2"));
    expect((await table.list("")).map((entry) => entry.key)).toEqual(["back"]);
    expect(await stored()).toBe(1);
  });

  it("opens a queue and a table again with other times", async () => {
    const server = await start(await freshStore());
    const bus = await connectBus({ servers: server.url, token, name: "test" });
    cleanups.push(() => bus.close());
    await bus.table("t", { ttlMs: 60_000 });
    const table = await bus.table("t", { ttlMs: 400 });
    await table.put("a", utf8("1"));
    await systemClock.sleep(1_500);
    expect(await table.get("a")).toBeUndefined();
    await bus.queue("q", { ackWaitMs: 60_000 });
    const queue = await bus.queue("q", { ackWaitMs: 500 });
    await queue.publish("a", utf8("1"));
    expect((await queue.claim(1_000))?.deliveries).toBe(1);
    expect((await queue.claim(5_000))?.deliveries).toBe(2);
  });
});

describe("a server that goes away", () => {
  it("is reported as BUS_UNREACHABLE, and everything continues when it is back", async () => {
    const storeDirectory = await freshStore();
    const first = await start(storeDirectory);
    const bus = await connectBus({ servers: first.url, token, name: "test" });
    cleanups.push(() => bus.close());
    const queue = await bus.queue("q", { ackWaitMs: 10_000 });
    const table = await bus.table("t");
    await queue.publish("kept", utf8("1"));
    await table.put("kept", utf8("1"));
    const waiting = bus
      .queue("empty", { ackWaitMs: 10_000 })
      .then((empty) => empty.claim(30_000).then((job) => ({ empty, job })));
    await systemClock.sleep(100);
    await first.stop();
    expect((await failure(queue.claim(300))).code).toBe("BUS_UNREACHABLE");
    expect((await failure(bus.ping())).code).toBe("BUS_UNREACHABLE");
    await start(storeDirectory, first.port);
    expect((await withPatience(() => queue.claim(2_000)))?.id).toBe("kept");
    expect(fromUtf8((await withPatience(() => table.get("kept")))?.value ?? utf8(""))).toBe("1");
    const producer = await bus.queue("empty", { ackWaitMs: 10_000 });
    await producer.publish("later", utf8("1"));
    expect((await waiting).job?.id).toBe("later");
  });

  it("may come back with nothing: queues, tables, leases and watches go on", async () => {
    const storeDirectory = await freshStore();
    const first = await start(storeDirectory);
    const bus = await connectBus({ servers: first.url, token, name: "test" });
    cleanups.push(() => bus.close());
    const queue = await bus.queue("q", { ackWaitMs: 10_000 });
    const table = await bus.table("t");
    const lease = await bus.lease("l", "a", 10_000);
    await queue.publish("lost", utf8("1"));
    await table.put("lost", utf8("1"));
    const aborter = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const change of table.watch("", aborter.signal))
        seen.push(`${change.key}:${change.value === undefined ? "-" : "+"}`);
    })();
    const until = async (text: string) => {
      for (const deadline = systemClock.monotonic() + 10_000; !seen.includes(text); await systemClock.sleep(20)) {
        if (systemClock.monotonic() > deadline) throw new Error(`${text} was not seen among ${seen.join(" ")}`);
      }
    };
    await until("lost:+");

    process.kill(first.pid, "SIGKILL");
    await first.exited;
    await rm(join(storeDirectory, "store"), { recursive: true });
    await start(storeDirectory, first.port);
    const before = systemClock.monotonic();

    await withPatience(() => queue.publish("new", utf8("1")));
    expect((await queue.claim(2_000))?.id).toBe("new");
    await withPatience(() => table.put("new", utf8("1")));
    expect(await table.get("lost")).toBeUndefined();
    expect(await lease?.renew()).toBe(false);
    const again = await bus.lease("l", "b", 10_000);
    expect(again?.fence).toBeGreaterThan(lease?.fence ?? 0n);
    expect(systemClock.monotonic() - before).toBeLessThan(10_000);
    await until("lost:-");
    await until("new:+");
    await table.put("newer", utf8("1"));
    await until("newer:+");
    aborter.abort();
    await watching;
  });
});

describe("small rules", () => {
  it("compares versions by number", () => {
    expect(["2.9.10", "2.9.11-beta", "2.10.0", "3.0.0", "2.12.0-RC.1"].map((version) => isVersionEnough(version))).not.toContain(
      false,
    );
    expect(["2.9.9", "2.8.99", "1.99.99", "", "x"].map((version) => isVersionEnough(version))).not.toContain(true);
  });

  it("reads the delivery count from both forms of an acknowledgement subject", () => {
    expect(deliveriesOf("$JS.ACK.stream.workers.3.10.11.1700000000.0")).toBe(3);
    expect(deliveriesOf("$JS.ACK._.hash.stream.workers.4.10.11.1700000000.0")).toBe(4);
  });

  it("narrows a filter to whole parts of a key", () => {
    expect(["", "a", "a.", "a.b", "a.b.c"].map(filterOf)).toEqual([">", ">", "a.>", "a.>", "a.b.>"]);
  });
});
