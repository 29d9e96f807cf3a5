/** Sessions as somebody sees them who goes on while roles die: what cannot be reached now is asked again, and every session ends. */

import type { control } from "@permafrost/rpc";
import { CodedError, systemClock } from "@permafrost/std";
import type { Cluster } from "../../harness/cluster.ts";
import { uploadSteps } from "../../harness/session.ts";

const POLL_MS = 200;
const CHUNK_BYTES = 100_000;

/** Asks until it is answered; throws what is no matter of time, and after `timeoutMs` the last reason. */
export async function patiently<T>(ask: () => Promise<T>, timeoutMs: number): Promise<T> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const { retry } = CodedError.from(error);
      if (retry === "never" || systemClock.monotonic() > deadline) throw error;
      await systemClock.sleep(POLL_MS);
    }
  }
}

/** The session when it has ended; throws if it has not within `timeoutMs`. */
export async function endOf(cluster: Cluster, sessionId: string, timeoutMs: number): Promise<control.Session> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const left = deadline - systemClock.monotonic();
    const { session } = await patiently(() => cluster.control.sessions.getSession({ sessionId }), left);
    if (session !== undefined && session.state !== "running") return session;
    if (left <= 0) throw new Error(`session ${sessionId} still runs in phase ${session?.phase} after ${timeoutMs} ms`);
    await systemClock.sleep(POLL_MS);
  }
}

/** Sends a stream; answers the session's id, whether or not the bytes got through, or nothing if there is no session. */
export async function sendStream(cluster: Cluster, name: string, bytes: Buffer): Promise<string | undefined> {
  const request = { repository: "acme", input: { $case: "stream" as const, value: { name } } };
  const started = await cluster.control.sessions.startBackup(request).catch(() => undefined);
  if (started === undefined) return undefined;
  const input = await cluster.input();
  // Whoever loses its worker cancels, as the command does.
  const cancel = () => cluster.control.sessions.cancelSession({ sessionId: started.sessionId }).catch(() => undefined);
  await input.upload(uploadSteps(started.sessionId, chunksOf(bytes))).catch(cancel);
  return started.sessionId;
}

function* chunksOf(bytes: Buffer): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
