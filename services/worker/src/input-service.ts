/**
 * InputService: bytes between a client and this worker. An upload claims its session's task as any claim, so a second client, or a
 * worker that took the session for dead, is fenced. A download reads one resource of a restore point.
 */

import { type Repositories, resolveSession, SessionStore, type TaskHost } from "@permafrost/control";
import { isRestorePoint, type ResourceResult } from "@permafrost/model";
import { captureUpload, type TreeEntry, type UploadedEntry } from "@permafrost/protection";
import { type Repository, readListing } from "@permafrost/repository";
import type { control } from "@permafrost/rpc";
import { type Clock, CodedError } from "@permafrost/std";

const OPEN_WAIT_MS = 30_000;
const KINDS = ["file", "directory", "symlink"] as const;
const DATA_BYTES_PER_MESSAGE = 256 * 1024;

export interface InputServiceOptions {
  readonly host: TaskHost;
  readonly repositories: Repositories;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long an upload waits for its session to expect it; default 30,000: a session that was just started is not there yet. */
  readonly openWaitMs?: number;
}

export function inputService(options: InputServiceOptions): control.InputServiceImplementation {
  const { host, repositories, clock, openWaitMs = OPEN_WAIT_MS } = options;
  return {
    async upload(requests, { signal: call }) {
      const signal = AbortSignal.any([call, options.signal]);
      const steps = requests[Symbol.asyncIterator]();
      const first = await steps.next();
      if (first.done === true || first.value.step?.$case !== "open") throw malformed("The first message must open a session");
      const reference = { sessionId: first.value.step.value.sessionId, taskId: "upload-1" };
      // A worker without the key says so to the client, who can ask for another.
      await repositories.open(await host.waitFor(reference, openWaitMs, signal));
      let result: ResourceResult | undefined;
      let failure: CodedError | undefined;
      const outcome = await host.run(
        reference,
        async (task, context) => {
          if (task.kind !== "upload") throw new CodedError("ASSERTION", `Task ${task.id} is no upload`);
          try {
            result = await captureUpload({ task, ...context, clock, entries: entriesOf(steps) });
            return result;
          } catch (error) {
            // The client's bytes cannot be asked for again: whatever went wrong, this session has failed.
            const { code, message, facts, hint } = CodedError.from(error);
            failure = new CodedError(code, message, { facts, ...(hint === undefined ? {} : { hint }), cause: error });
            throw failure;
          }
        },
        signal,
      );
      if (result !== undefined && outcome === "ended") return { stats: wireStats(result) };
      if (failure !== undefined && outcome === "ended") throw failure;
      throw new CodedError("UPLOAD_FAILED", "The upload was not stored", {
        facts: { session: reference.sessionId },
        hint: "`permafrost session show` says why.",
      });
    },

    async *download(request, { signal: call }) {
      const signal = AbortSignal.any([call, options.signal]);
      const repository = await repositories.open((await repositories.header(request.repository)).repositoryId);
      const resource = await findResource(repository, request);
      const { data, listing } = resource.streams;
      if (data !== undefined) {
        yield { step: { $case: "entry", value: entry({ path: "", type: "file", size: data.sizeBytes }) } };
        yield* dataSteps(repository.reader().readStream(data, { signal }));
      }
      if (listing !== undefined) {
        for await (const e of readListing<TreeEntry>(repository.reader(), listing, signal)) {
          yield {
            step: {
              $case: "entry",
              value: entry({
                path: e.name,
                type: e.kind,
                size: e.sizeBytes,
                mode: e.mode,
                modifiedAt: new Date(e.modifiedAtMs),
                linkTarget: e.linkTarget ?? "",
              }),
            },
          };
          if (e.content !== undefined) yield* dataSteps(repository.reader().readStream(e.content, { signal }));
        }
      }
    },
  };
}

async function findResource(repository: Repository, request: control.DownloadRequest): Promise<ResourceResult> {
  const store = new SessionStore(repository);
  const record = resolveSession(await store.list(), request.sessionId === "" ? "latest" : request.sessionId);
  if (!isRestorePoint(record))
    throw new CodedError("NOT_A_RESTORE_POINT", `Session ${record.id} is no restore point`, { facts: { session: record.id } });
  const matches = (await store.allResults(record)).filter(
    (r) =>
      (request.type === "" || r.type === request.type) &&
      (request.resource === "" || r.id === request.resource || r.name === request.resource),
  );
  const [found] = matches;
  if (found === undefined || matches.length > 1) {
    throw new CodedError(
      "RESOURCE_UNKNOWN",
      `Session ${record.id} has ${matches.length} resources of that type and name, not one`,
      {
        facts: { session: record.id, type: request.type, resource: request.resource },
        hint: "`permafrost resources SESSION` lists them.",
      },
    );
  }
  return found;
}

/** Groups the steps of an upload: each entry with the data that follows it. The data of one must be read before the next is asked for. */
async function* entriesOf(steps: AsyncIterator<control.UploadRequest>): AsyncIterable<UploadedEntry> {
  let next = await steps.next();
  while (next.done !== true) {
    const step = next.value.step;
    if (step?.$case !== "entry") throw malformed("The upload has a message that is no entry and no entry's data");
    let ended = false;
    async function* data(): AsyncIterable<Uint8Array> {
      for (;;) {
        next = await steps.next();
        if (next.done === true || next.value.step?.$case !== "data") break;
        yield next.value.step.value;
      }
      ended = true;
    }
    const bytes = data();
    yield { entry: treeEntry(step.value), data: bytes };
    // An entry whose reader did not want its bytes, such as a directory: go on to the next entry.
    if (!ended) for await (const _ of bytes);
  }
}

function treeEntry(value: control.InputEntry): TreeEntry {
  const kind = KINDS.find((k) => k === value.type);
  if (kind === undefined) throw malformed(`An entry is one of ${KINDS.join(", ")}, not ${JSON.stringify(value.type)}`);
  return {
    name: value.path,
    kind,
    mode: value.mode,
    modifiedAtMs: value.modifiedAt?.getTime() ?? 0,
    sizeBytes: Number(value.size),
    ...(kind === "symlink" ? { linkTarget: value.linkTarget } : {}),
  };
}

function entry(value: {
  path: string;
  type: string;
  size: number;
  mode?: number;
  modifiedAt?: Date;
  linkTarget?: string;
}): control.InputEntry {
  return {
    path: value.path,
    type: value.type,
    mode: value.mode ?? 0,
    modifiedAt: value.modifiedAt,
    size: BigInt(value.size),
    linkTarget: value.linkTarget ?? "",
  };
}

async function* dataSteps(bytes: AsyncIterable<Uint8Array>): AsyncIterable<control.DownloadResponse> {
  for await (const chunk of bytes) {
    for (let at = 0; at < chunk.length; at += DATA_BYTES_PER_MESSAGE)
      yield { step: { $case: "data", value: chunk.subarray(at, at + DATA_BYTES_PER_MESSAGE) } };
  }
}

function wireStats({ stats: s }: ResourceResult): control.Stats {
  return {
    logicalBytes: BigInt(s.logicalBytes),
    readBytes: BigInt(s.readBytes),
    zeroBytes: BigInt(s.zeroBytes),
    newBytes: BigInt(s.newBytes),
    storedBytes: BigInt(s.storedBytes),
    newBlocks: BigInt(s.newBlocks),
  };
}

function malformed(message: string): CodedError {
  return new CodedError("UPLOAD_MALFORMED", message);
}
