/**
 * Somebody who works with a cluster while its roles die: asks one coordinator after the other until one answers, and finds out by the list of
 * sessions whether a start whose answer was lost has come to something.
 */

import type { ControlConnection, InputConnection } from "@permafrost/client";
import type { control } from "@permafrost/rpc";
import { CodedError, systemClock } from "@permafrost/std";
import type { Cluster } from "../../harness/cluster.ts";

const PAUSE_MS = 300;
/** Of one answer. */
const CALL_MS = 10_000;
/** Of all attempts at starting something while roles die. */
const START_MS = 60_000;

export class Caller {
  readonly #cluster: Cluster;
  /** Sessions that somebody here has to do with already. */
  readonly known = new Set<string>();
  #turn = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** The next coordinator in turn. */
  get next(): ControlConnection {
    const { controls } = this.#cluster;
    return controls[this.#turn++ % controls.length] ?? this.#cluster.control;
  }

  /** Asks until it is answered; throws what is no matter of time, and after `timeoutMs` the last reason. */
  async ask<T>(question: (asked: ControlConnection) => Promise<T>, timeoutMs: number): Promise<T> {
    const deadline = systemClock.monotonic() + timeoutMs;
    for (;;) {
      try {
        return await question(this.next);
      } catch (error) {
        if (CodedError.from(error).retry === "never" || systemClock.monotonic() > deadline) throw error;
        await systemClock.sleep(PAUSE_MS);
      }
    }
  }

  /** All sessions, newest first. */
  async sessions(timeoutMs: number): Promise<control.Session[]> {
    const request = { repository: "acme", pageSize: 1000, pageToken: "" };
    return (await this.ask(({ sessions }) => sessions.listSessions(request, { timeoutMs: CALL_MS }), timeoutMs)).sessions;
  }

  /** Starts a session once: the id, or nothing if no coordinator did. `isIt` tells the one that a lost answer was about. */
  async start(
    question: (asked: ControlConnection) => Promise<string>,
    isIt: (session: control.Session) => boolean,
  ): Promise<string | undefined> {
    const deadline = systemClock.monotonic() + START_MS;
    while (systemClock.monotonic() < deadline) {
      const id = await question(this.next).catch(() => undefined);
      const found = id ?? (await this.sessions(START_MS).catch(() => [])).find((s) => isIt(s) && !this.known.has(s.id))?.id;
      if (found !== undefined) {
        this.known.add(found);
        return found;
      }
      await systemClock.sleep(PAUSE_MS);
    }
    return undefined;
  }

  /** The session when it has ended; throws if it has not within `timeoutMs`. */
  async endOf(sessionId: string, timeoutMs: number): Promise<control.Session> {
    const deadline = systemClock.monotonic() + timeoutMs;
    for (;;) {
      const leftMs = deadline - systemClock.monotonic();
      const { session } = await this.ask(({ sessions }) => sessions.getSession({ sessionId }, { timeoutMs: CALL_MS }), leftMs);
      if (session !== undefined && session.state !== "running") return session;
      if (leftMs <= 0)
        throw new Error(`${session?.kind} ${sessionId} still runs in phase ${session?.phase} ${timeoutMs} ms after all faults`);
      await systemClock.sleep(PAUSE_MS);
    }
  }

  /** Sends a stream; the session's id, and whether its bytes were taken. Nothing if there is no session. */
  async sendStream(name: string, bytes: Buffer): Promise<{ readonly id: string; readonly isTaken: boolean } | undefined> {
    const request = { repository: "acme", input: { $case: "stream" as const, value: { name } } };
    const id = await this.start(
      async ({ sessions }) => (await sessions.startBackup(request, { timeoutMs: CALL_MS })).sessionId,
      (session) => session.kind === "backup" && session.sourceName === name,
    );
    if (id === undefined) return undefined;
    async function* steps(): AsyncIterable<control.UploadRequest> {
      yield { step: { $case: "open", value: { sessionId: id ?? "" } } };
      yield { step: { $case: "entry", value: { path: "", type: "file", mode: 0, size: 0n, linkTarget: "" } } };
      for (let at = 0; at < bytes.length; at += 100_000)
        yield { step: { $case: "data", value: bytes.subarray(at, at + 100_000) } };
    }
    try {
      const input = await this.#input();
      await input.upload(steps());
      return { id, isTaken: true };
    } catch {
      // Whoever loses its worker cancels, as the command does. It may have been taken all the same: then it is a restore point.
      await this.next.sessions.cancelSession({ sessionId: id }, { timeoutMs: CALL_MS }).catch(() => undefined);
      return { id, isTaken: false };
    }
  }

  async readStream(sessionId: string, timeoutMs: number): Promise<Buffer> {
    return await this.ask(async () => {
      const input = await this.#input();
      const parts: Uint8Array[] = [];
      for await (const { step } of input.download({ repository: "acme", sessionId, type: "input.stream", resource: "" }))
        if (step?.$case === "data") parts.push(Buffer.from(step.value));
      return Buffer.concat(parts);
    }, timeoutMs);
  }

  async #input(): Promise<InputConnection["input"]> {
    return await this.#cluster.input(this.next);
  }
}
