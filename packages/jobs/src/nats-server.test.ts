import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError, retry } from "@permafrost/std";
import { afterEach, beforeEach, expect, it } from "vitest";
import { connectBus } from "./nats/bus.ts";
import { startNatsServer } from "./nats-server.ts";

let storeDirectory: string;
beforeEach(async () => {
  storeDirectory = await mkdtemp(join(tmpdir(), "permafrost-nats-"));
});
afterEach(() => rm(storeDirectory, { recursive: true, force: true }));

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it("listens on loopback with a token that no other user can read, and ends when stopped", async () => {
  const server = await startNatsServer({ storeDirectory, token: "a-token" });
  expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
  expect((await stat(join(storeDirectory, "nats-server.conf"))).mode & 0o777).toBe(0o600);
  expect(await readFile(`/proc/${server.pid}/cmdline`, "utf8")).not.toContain("a-token");
  await expect(connectBus({ servers: server.url, name: "test" })).rejects.toMatchObject({ code: "BUS_DENIED" });
  await server.stop();
  await server.exited;
  expect(isRunning(server.pid)).toBe(false);
  await server.stop();
});

it("ends the server that a crashed parent left behind", async () => {
  const left = await startNatsServer({ storeDirectory, token: "a" });
  const next = await startNatsServer({ storeDirectory, token: "b", port: left.port });
  expect(isRunning(left.pid)).toBe(false);
  await next.stop();
});

it("leaves a process alone that merely has the number in the pid file", async () => {
  await writeFile(join(storeDirectory, "nats-server.pid"), String(process.pid));
  const server = await startNatsServer({ storeDirectory, token: "a" });
  await server.stop();
});

it("says what is missing when there is no program", async () => {
  const error = await startNatsServer({ storeDirectory, token: "a", program: "/nonexistent/nats-server" }).catch(
    (reason: unknown) => reason,
  );
  expect(CodedError.is(error, "NATS_SERVER_MISSING") && error.hint).toContain("apt-get install nats-server");
});

it("says why the server did not start", async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => blocker.once("listening", resolve));
  const address = blocker.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  try {
    const starting = startNatsServer({ storeDirectory, token: "a", port: address.port });
    await expect(starting).rejects.toMatchObject({ code: "NATS_SERVER_FAILED", facts: { address: `127.0.0.1:${address.port}` } });
  } finally {
    blocker.close();
  }
});

it("keeps streams together with two more, also when one is gone", async () => {
  const address = (n: number) => ({ host: `127.0.0.${n + 1}`, port: 21_000 + (process.pid % 10_000) });
  const members = [1, 2, 3].map((n) => `${address(n).host}:${address(n).port}`);
  const start = (n: number) => {
    const cluster = { name: `n${n}`, port: address(n).port, members };
    return startNatsServer({ storeDirectory: join(storeDirectory, `${n}`), token: "a", host: address(n).host, cluster });
  };
  const servers = await Promise.all([1, 2, 3].map(start));
  const bus = await connectBus({ servers: servers.map((s) => s.url), token: "a", name: "test", replicas: 3 });
  try {
    const table = await bus.table("kept");
    await table.create("a", Buffer.from("1"));
    process.kill(servers[0]?.pid ?? 0, "SIGKILL");
    await servers[0]?.exited;
    // Whoever led is followed by another: an election takes its ten seconds.
    const found = await retry(() => table.get("a"), { attemptsMax: 240, delayMs: 250, delayMsMax: 250 });
    expect(Buffer.from(found?.value ?? []).toString()).toBe("1");
    servers[0] = await start(1);
  } finally {
    await bus.close();
    await Promise.all(servers.map((server) => server.stop()));
  }
}, 120_000);
