/** A tenant of two volumes without a cloud: what a worker would answer to each task of its backup. */

import { EMPTY_STATS, type Task } from "@permafrost/model";
import { CodedError, utf8 } from "@permafrost/std";
import { expect, vi } from "vitest";
import type { Coordinator } from "../src/coordinator.ts";
import type { TaskContext } from "../src/task-claim.ts";

export async function* bytesOf(text: string): AsyncIterable<Uint8Array> {
  yield utf8(text);
}

/** Volumes `a` and `b`; any other task is a bug of the test. */
export async function twoVolumes(task: Task, context: TaskContext): Promise<unknown> {
  switch (task.kind) {
    case "discover": {
      const { root } = await context.writer.writeDocument({ version: 1 });
      const resources = ["a", "b"].map((id) => ({
        type: "cinder.volume",
        id,
        name: id,
        document: root,
        logicalBytes: 5,
        freezes: true,
        captures: true,
        warnings: [],
      }));
      return { projectId: "p", projectName: "acme", resources, stats: EMPTY_STATS, warnings: [], unlisted: [] };
    }
    case "freeze":
      return {
        frozen: task.resources.map((r) => ({
          type: r.type,
          id: r.id,
          detail: {},
          requestedAt: "t",
          acknowledgedAt: "t",
          createdAt: "t",
        })),
      };
    case "capture": {
      const written = await context.writer.writeStream(bytesOf(`data of ${task.resource.id}`), { chunking: "fixed" });
      return { ...task.resource, state: "succeeded", streams: { data: written.root }, stats: written.stats, warnings: [] };
    }
    case "sweep":
      return { removed: 0, left: [] };
    default:
      throw new CodedError("ASSERTION", `unexpected ${task.kind}`);
  }
}

/** The request for their backup. */
export const tenant = {
  kind: "backup",
  input: "tenant",
  target: { cloud: "lab" },
  selection: { include: [], exclude: [] },
} as const;

/** The record of a session when it has ended. */
export async function ended(coordinator: Coordinator, id: string) {
  return await vi.waitFor(
    async () => {
      const record = await coordinator.find(id);
      expect(record.state).not.toBe("running");
      return record;
    },
    { timeout: 20_000, interval: 50 },
  );
}
