import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { codedErrorOf } from "@permafrost/blocks/testing";
import { control, type RunningServer, serve, startServer } from "@permafrost/rpc";
import { CodedError } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectControl, connectInput } from "./connect.ts";

const token = "a-token-of-the-cluster-for-tests";
const startedAt = new Date("2026-11-23T17:00:00.123Z");

function session(id: string): control.Session {
  return control.Session.fromPartial({
    id,
    kind: "backup",
    state: "succeeded",
    startedAt,
    stats: { logicalBytes: 2n ** 53n + 1n },
  });
}

/** The smallest coordinator: one session, which ends. */
const sessionService: Partial<control.SessionServiceImplementation> = {
  async getSession({ sessionId }) {
    if (sessionId === "boom") throw new Error("a detail of the server");
    if (sessionId !== "one") {
      throw new CodedError("SESSION_UNKNOWN", `there is no session ${sessionId}`, { facts: { sessionId }, hint: "list them" });
    }
    return { session: session("one") };
  },
  async *watchSession(_request, context) {
    yield { session: session("one"), resources: [] };
    await new Promise((_resolve, reject) => context.signal.addEventListener("abort", () => reject(context.signal.reason)));
  },
};

function withUnimplemented<T extends object>(implementation: Partial<T>): T {
  const absent = () => {
    throw new CodedError("METHOD_UNKNOWN", "not served here");
  };
  return new Proxy(implementation, { get: (target, name) => Reflect.get(target, name) ?? absent }) as T;
}

let server: RunningServer;

beforeAll(async () => {
  server = await startServer({
    listen: "127.0.0.1:0",
    token,
    drainMs: 200,
    services: [
      serve(control.SessionServiceDefinition, withUnimplemented<control.SessionServiceImplementation>(sessionService)),
      serve(control.RepositoryServiceDefinition, {
        ...withUnimplemented<control.RepositoryServiceImplementation>({}),
        initRepository: async () => ({ repository: undefined, recoveryKey: "k" }),
        unlockRepository: async () => ({ repository: undefined }),
        listRepositories: async () => ({ repositories: [] }),
      }),
      serve(control.InputServiceDefinition, {
        async upload(requests) {
          let bytes = 0n;
          for await (const { step } of requests) if (step?.$case === "data") bytes += BigInt(step.value.length);
          return { stats: { ...control.Stats.fromPartial({}), logicalBytes: bytes } };
        },
        async *download() {
          yield { step: { $case: "data" as const, value: Buffer.from("bytes") } };
        },
      }),
    ],
  });
});
afterAll(() => server.stop());

describe("connectControl", () => {
  it("calls the services of a coordinator", async () => {
    const coordinator = connectControl({ address: server.address, token });
    expect(await coordinator.health()).toBe(true);
    const { session: got } = await coordinator.sessions.getSession({ sessionId: "one" });
    expect(got).toMatchObject({ id: "one", startedAt, stats: { logicalBytes: 2n ** 53n + 1n } });
    expect((await coordinator.repositories.listRepositories({})).repositories).toEqual([]);
    coordinator.close();
  });

  it("fails with the error of the server, and with INTERNAL for what is not one", async () => {
    const coordinator = connectControl({ address: server.address, token });
    const unknown = await codedErrorOf(coordinator.sessions.getSession({ sessionId: "two" }));
    expect(unknown).toMatchObject({
      code: "SESSION_UNKNOWN",
      message: "there is no session two",
      facts: { sessionId: "two" },
      hint: "list them",
    });
    const internal = await codedErrorOf(coordinator.sessions.getSession({ sessionId: "boom" }));
    expect(internal.code).toBe("INTERNAL");
    expect(internal.message).not.toContain("a detail");
    coordinator.close();
  });

  it("ends a stream when its signal says so", async () => {
    const coordinator = connectControl({ address: server.address, token });
    const abort = new AbortController();
    const watch = (async () => {
      for await (const { session: now } of coordinator.sessions.watchSession({ sessionId: "one" }, { signal: abort.signal })) {
        expect(now?.id).toBe("one");
        abort.abort();
      }
    })();
    expect((await codedErrorOf(watch)).code).toBe("CANCELLED");
    coordinator.close();
  });

  it("fails without the token, and where nothing listens", async () => {
    const stranger = connectControl({ address: server.address });
    expect((await codedErrorOf(stranger.sessions.getSession({ sessionId: "one" }))).code).toBe("UNAUTHENTICATED");
    stranger.close();
    const nowhere = connectControl({ address: "127.0.0.1:1", token });
    const error = await codedErrorOf(nowhere.health());
    expect([error.code, error.retry]).toEqual(["NODE_UNREACHABLE", "later"]);
    nowhere.close();
  });
});

describe("connectInput", () => {
  it("sends and receives bytes", async () => {
    const worker = connectInput({ address: server.address, token });
    expect(await worker.health()).toBe(true);
    async function* steps() {
      yield { step: { $case: "open" as const, value: { sessionId: "one" } } };
      yield { step: { $case: "data" as const, value: Buffer.alloc(1000) } };
    }
    expect((await worker.input.upload(steps())).stats?.logicalBytes).toBe(1000n);
    const parts: string[] = [];
    for await (const { step } of worker.input.download({ repository: "r" }))
      if (step?.$case === "data") parts.push(step.value.toString());
    expect(parts).toEqual(["bytes"]);
    worker.close();
  });
});

describe("a generic gRPC client", () => {
  const buf = join(import.meta.dirname, "../../../node_modules/.bin/buf");
  const curl = async (...args: string[]) =>
    (await promisify(execFile)(buf, ["curl", "--protocol", "grpc", "--http2-prior-knowledge", ...args], { timeout: 30_000 }))
      .stdout;

  it("lists the services and their methods through reflection", async () => {
    const services = await curl("--list-services", `http://${server.address}`);
    expect(services.split("\n")).toEqual(
      expect.arrayContaining(["permafrost.control.v1.SessionService", "permafrost.control.v1.RepositoryService"]),
    );
    expect(await curl("--list-methods", `http://${server.address}`)).toContain("permafrost.control.v1.SessionService/GetSession");
  });

  it("calls a method whose messages import other files", async () => {
    const answer = await curl(
      ...["--header", `authorization: Bearer ${token}`, "--data", '{"session_id":"one"}'],
      `http://${server.address}/permafrost.control.v1.SessionService/GetSession`,
    );
    expect(JSON.parse(answer)).toMatchObject({ session: { id: "one", startedAt: "2026-11-23T17:00:00.123Z" } });
  });

  it("sees a status and a message it can read", async () => {
    const failed = curl(
      ...["--header", `authorization: Bearer ${token}`, "--data", '{"session_id":"two"}'],
      `http://${server.address}/permafrost.control.v1.SessionService/GetSession`,
    );
    await expect(failed).rejects.toMatchObject({ stderr: expect.stringMatching(/not_found[\s\S]*there is no session two/) });
  });
});
