/** Sessions as tests drive them: start, wait for the end, list what came of it. */

import { control } from "@permafrost/rpc";
import { CodedError, systemClock } from "@permafrost/std";
import type { Cluster } from "./cluster.ts";

export const PASSPHRASE = "a passphrase for tests";

export async function initRepository(cluster: Cluster, name = "acme"): Promise<void> {
  await cluster.control.repositories.initRepository({ name, secret: { kind: { $case: "passphrase", value: PASSPHRASE } } });
}

/** Waits until the session has ended; NODE_UNREACHABLE on the way is waited out. */
export async function ended(cluster: Cluster, sessionId: string, timeoutMs = 60_000): Promise<control.Session> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const session = await cluster.control.sessions.getSession({ sessionId }).then(
      (r) => r.session,
      (error: unknown) => {
        if (CodedError.is(error, "NODE_UNREACHABLE")) return undefined;
        throw error;
      },
    );
    if (session !== undefined && session.state !== "running") return session;
    if (systemClock.monotonic() > deadline)
      throw new Error(`session ${sessionId} is still ${session?.state} in phase ${session?.phase} after ${timeoutMs} ms`);
    await systemClock.sleep(100);
  }
}

/** What the tenants of most tests consist of: bytes. Everything else of a project comes on top in tests of its own. */
export const STORAGE = ["glance.image", "cinder.volume", "swift.container"];

export async function backupTenant(cluster: Cluster, cloud: string, include: readonly string[] = STORAGE): Promise<string> {
  const request = {
    repository: "acme",
    input: { $case: "tenant" as const, value: { cloud, project: "", selection: { include: [...include], exclude: [] } } },
  };
  return (await cluster.control.sessions.startBackup(request)).sessionId;
}

export async function restoreTenant(
  cluster: Cluster,
  cloud: string,
  options: Partial<control.StartRestoreRequest> = {},
): Promise<string> {
  const { sessionId } = await cluster.control.sessions.startRestore({
    repository: "acme",
    sessionId: "latest",
    cloud,
    project: "",
    selection: { include: [], exclude: [] },
    maps: [],
    powerOn: "",
    onConflict: "",
    namePrefix: "",
    verify: control.VerifyLevel.VERIFY_LEVEL_DATA,
    dryRun: false,
    ...options,
  });
  return sessionId;
}

export async function resources(cluster: Cluster, sessionId: string): Promise<control.Resource[]> {
  const all: control.Resource[] = [];
  for await (const page of cluster.control.sessions.listResources({ sessionId })) all.push(...page.resources);
  return all;
}

/** What a client sends of a stream. */
export async function* uploadSteps(
  sessionId: string,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncIterable<control.UploadRequest> {
  yield { step: { $case: "open", value: { sessionId } } };
  yield { step: { $case: "entry", value: { path: "", type: "file", mode: 0, size: 0n, linkTarget: "" } } };
  for await (const data of bytes) yield { step: { $case: "data", value: data } };
}

/** Backs up one stream through InputService. */
export async function backupStream(
  cluster: Cluster,
  name: string,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<control.Session> {
  const input = await cluster.input();
  const { sessionId } = await cluster.control.sessions.startBackup({
    repository: "acme",
    input: { $case: "stream", value: { name } },
  });
  await input.upload(uploadSteps(sessionId, bytes));
  return await ended(cluster, sessionId);
}

export async function readStream(cluster: Cluster, sessionId = "latest"): Promise<Buffer> {
  const input = await cluster.input();
  const parts: Uint8Array[] = [];
  for await (const { step } of input.download({ repository: "acme", sessionId, type: "input.stream", resource: "" })) {
    if (step?.$case === "data") parts.push(Buffer.from(step.value));
  }
  return Buffer.concat(parts);
}
