/**
 * Checking what is stored of one resource: its document, its streams, and the contents that its listings name. Damage is collected,
 * each with the resource and range it concerns; the check goes on to the end.
 */

import type { CheckResult, Failure, StreamRoot, Task } from "@permafrost/model";
import { checkStream, LISTING_STREAMS, type ListingEntry, readListing } from "@permafrost/repository";
import { toFailureOf } from "./failure.ts";
import type { TaskEnvironment } from "./task-environment.ts";

const DAMAGED_MAX = 1000;

export async function checkResource(task: Extract<Task, { kind: "check" }>, environment: TaskEnvironment): Promise<CheckResult> {
  const { resource, readData } = task;
  const { repository, signal } = environment;
  const named = `${resource.type} ${resource.name}`;
  const damaged: Failure[] = [];
  const seen = new Set<string>();
  let blocks = 0;
  let bytes = 0;

  const checkRoot = async (root: StreamRoot, what: string): Promise<boolean> => {
    if (root.form === "empty" || seen.has(root.id)) return true;
    seen.add(root.id);
    const found = await checkStream(repository, root, { readData, signal, scope: environment.scope });
    environment.progress(found.bytes);
    blocks += found.blocks;
    bytes += found.bytes;
    for (const d of found.damaged) if (damaged.length < DAMAGED_MAX) damaged.push({ ...d, message: `${what}: ${d.message}` });
    return found.damaged.length === 0;
  };

  if (resource.document !== undefined) await checkRoot(resource.document, `${named}, metadata`);
  for (const [name, root] of Object.entries(resource.streams)) {
    const whole = await checkRoot(root, `${named}, ${name}`);
    if (!LISTING_STREAMS.has(name) || !whole) continue;
    try {
      for await (const entry of readListing<ListingEntry>(repository.reader(), root, signal)) {
        if (entry.content !== undefined) await checkRoot(entry.content, `${named}, ${entry.name}`);
      }
    } catch (error) {
      signal.throwIfAborted();
      damaged.push(toFailureOf(error, { resource: named }));
    }
  }
  return { blocks, bytes, damaged };
}
