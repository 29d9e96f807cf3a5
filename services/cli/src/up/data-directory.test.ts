import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { parse } from "yaml";
import { layoutOf, makeLayout, writePrivateFile } from "./layout.ts";
import { processStart, takeLock } from "./lock.ts";
import { assertFree, freePort, splitAddress } from "./ports.ts";
import { writeRoleConfigs } from "./role-config.ts";

const directories: string[] = [];

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "permafrost-data-"));
  directories.push(directory);
  return directory;
}

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true, force: true });
});

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("the layout is private, also where it was there before with other rights", async () => {
  const root = join(scratch(), "data");
  mkdirSync(join(root, "keyring"), { recursive: true });
  chmodSync(join(root, "keyring"), 0o755);
  const layout = layoutOf(root);
  await makeLayout(layout);
  expect([root, layout.keyringDirectory, layout.configDirectory, layout.storageDirectory].map(mode)).toEqual([
    "700",
    "700",
    "700",
    "700",
  ]);
  writeFileSync(layout.clientFile, "old", { mode: 0o644 });
  await writePrivateFile(layout.clientFile, "new");
  expect([mode(layout.clientFile), readFileSync(layout.clientFile, "utf8")]).toEqual(["600", "new"]);
});

test("a data directory that cannot be one is said so", async () => {
  const root = scratch();
  writeFileSync(join(root, "file"), "");
  await expect(makeLayout(layoutOf(join(root, "file", "data")))).rejects.toMatchObject({ code: "DATA_DIRECTORY_UNUSABLE" });
});

test("one holder at a time; the lock of a dead process is taken over", async () => {
  const root = scratch();
  const file = join(root, "up.lock");
  const release = await takeLock(file, root);
  await expect(takeLock(file, root)).rejects.toMatchObject({ code: "ALREADY_RUNNING", facts: { pid: process.pid } });
  await release();
  expect(existsSync(file)).toBe(false);
  for (const stale of ["999999999 1", "", "nonsense", `${process.pid} 1`]) {
    writeFileSync(file, stale);
    const taken = await takeLock(file, root);
    expect(readFileSync(file, "utf8")).toBe(`${process.pid} ${processStart(process.pid)}\n`);
    await taken();
  }
});

test("a port in use is told from a free one", async () => {
  const port = await freePort("127.0.0.1");
  await assertFree(`127.0.0.1:${port}`);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  try {
    await expect(assertFree(`127.0.0.1:${port}`)).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: `Cannot listen on 127.0.0.1:${port}: another process listens there`,
    });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  await expect(assertFree("nonsense")).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  expect(["[::1]:80", "host:1", "host:70000", "a b:1"].map(splitAddress)).toEqual([
    { host: "::1", port: 80 },
    { host: "host", port: 1 },
    undefined,
    undefined,
  ]);
});

test("the roles' files say who listens where, and keep secrets in files", async () => {
  const layout = layoutOf(scratch());
  await makeLayout(layout);
  const addresses = new Map([
    ["storage-node-1", "127.0.0.1:2"],
    ["coordinator", "127.0.0.1:3"],
    ["worker-1", "127.0.0.1:4"],
    ["worker-2", "127.0.0.1:5"],
  ]);
  const options = {
    natsUrl: "nats://127.0.0.1:1",
    natsTokenFile: "/d/nats-token",
    osConfigFile: "/d/clouds.yaml",
    logLevel: "info",
  };
  const files = await writeRoleConfigs(layout, addresses, options);
  const read = (name: string) => parse(readFileSync(files.get(name) ?? "", "utf8"));
  const common = { tokenFile: layout.tokenFile, log: { level: "info" } };
  const cluster = {
    nats: { servers: ["nats://127.0.0.1:1"], tokenFile: "/d/nats-token" },
    nodes: [{ address: "127.0.0.1:2" }],
    replication: { replicas: 1, writeQuorum: 1 },
    keyring: layout.keyringDirectory,
  };
  expect(read("storage-node-1")).toEqual({
    name: "storage-node-1",
    listen: "127.0.0.1:2",
    ...common,
    dataDirectory: join(layout.storageDirectory, "storage-node-1"),
  });
  expect(read("coordinator")).toEqual({ name: "coordinator", listen: "127.0.0.1:3", ...common, ...cluster });
  expect(["worker-1", "worker-2"].map(read)).toEqual([
    { name: "worker-1", listen: "127.0.0.1:4", ...common, ...cluster, openstack: { configFile: "/d/clouds.yaml" } },
    { name: "worker-2", listen: "127.0.0.1:5", ...common, ...cluster, openstack: { configFile: "/d/clouds.yaml" } },
  ]);
  expect(mode(files.get("storage-node-1") ?? "")).toBe("600");
});
