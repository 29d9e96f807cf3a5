/**
 * The bytes of one image or object, all of them or an error.
 *
 * Promises: bytes come in order and once; their count is what the listing announced and what Content-Length says; a
 * stream that breaks is resumed with Range and If-Match; if the service ignores the Range, the prefix is read over; a source that was
 * replaced meanwhile is SOURCE_CHANGED, never a mixture. Hashing is asked for per call: SHA-512 costs
 * more than everything else that is done with a byte.
 * Attempts are bounded: `STALLED_MAX` in a row without `PROGRESS_BYTES` of progress, `RESUMES_MAX` in all.
 */

import { createHash, type Hash } from "node:crypto";
import { CodedError } from "@permafrost/std";
import { type ExchangeReply, type HeaderMap, unreachable } from "./exchange.ts";
import type { Query, ServiceClient } from "./service-client.ts";

const STALLED_MAX = 5;
const PROGRESS_BYTES = 2 ** 20;
const RESUMES_MAX = 200;
const RESUME_DELAY_MS = 500;
const RESUME_DELAY_MS_MAX = 10_000;

export interface SourceHash {
  /** As Node names it: `sha512`, `md5`. */
  readonly algorithm: string;
  /** Hex. */
  readonly value: string;
}

export interface DownloadRequest {
  readonly path: string;
  readonly query?: Query | undefined;
  /** What the listing or the document says: another length is SOURCE_CHANGED. Of the whole object, also with `range`. */
  readonly sizeBytes?: number | undefined;
  /** Verified over the whole object when its last byte has come; not with `range`. A function looks at the first answer's headers. */
  readonly hash?: SourceHash | ((headers: HeaderMap) => SourceHash | undefined) | undefined;
  /** Bytes `start` to `end` exclusively; BAD_RESPONSE if the service does not honour it. */
  readonly range?: { readonly start: number; readonly end: number } | undefined;
  /** Only this version: another is SOURCE_CHANGED. */
  readonly etag?: string | undefined;
  /** The content type without which an answer is not the data but something in its place. */
  readonly contentType?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called before each resume with the bytes that have come. */
  readonly onResume?: ((receivedBytes: number, cause: CodedError) => void) | undefined;
}

export interface Download {
  /** Bytes that `body` will give; undefined when nobody knows before the end. */
  readonly sizeBytes: number | undefined;
  /** Of the first answer; names in lower case. */
  readonly headers: HeaderMap;
  readonly etag: string | undefined;
  /** Read once. Throws DOWNLOAD_TRUNCATED, HASH_MISMATCH, SOURCE_CHANGED, AUTH_FAILED, CLOUD_UNREACHABLE. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends the request and resolves when the answer has begun. Throws the client's errors and SOURCE_CHANGED. */
export async function openDownload(client: ServiceClient, request: DownloadRequest): Promise<Download> {
  const first = await ask(client, request, undefined, request.etag);
  const { headers, status } = first;
  const etag = headers.etag;
  const length = contentLength(headers);
  const { range } = request;
  try {
    checkContentType(request, headers, status);
    if (range !== undefined && status !== 206) throw ignoredRange(request, status);
    if (range !== undefined) checkRange(request, headers, range.start, request.sizeBytes);
    if (
      range === undefined &&
      length !== undefined &&
      request.sizeBytes !== undefined &&
      length !== request.sizeBytes &&
      status !== 204
    ) {
      throw changed(request, `it has ${length} bytes and ${request.sizeBytes} were expected`, {
        expected: request.sizeBytes,
        found: length,
      });
    }
  } catch (error) {
    first.body.destroy();
    throw error;
  }
  const expected = range === undefined ? (request.sizeBytes ?? (status === 204 ? 0 : length)) : range.end - range.start;
  const wantedHash =
    range === undefined ? (typeof request.hash === "function" ? request.hash(headers) : request.hash) : undefined;
  return { sizeBytes: expected, headers, etag, body: read(client, request, first, { expected, etag, wantedHash }) };
}

interface Expectation {
  readonly expected: number | undefined;
  readonly etag: string | undefined;
  readonly wantedHash: SourceHash | undefined;
}

async function* read(
  client: ServiceClient,
  request: DownloadRequest,
  first: ExchangeReply,
  what: Expectation,
): AsyncGenerator<Uint8Array, void, undefined> {
  const start = request.range?.start ?? 0;
  const hash: Hash | undefined = what.wantedHash === undefined ? undefined : createHash(what.wantedHash.algorithm);
  let reply: ExchangeReply | undefined = first;
  let received = 0;
  let resumes = 0;
  let stalled = 0;
  let progressAt = 0;
  try {
    for (;;) {
      let failure: CodedError;
      try {
        reply ??= await resume(client, request, start + received, what);
        let skip = reply === first || reply.status === 206 ? 0 : received;
        for await (const part of reply.body as AsyncIterable<Buffer>) {
          const chunk: Buffer = skip === 0 ? part : part.subarray(Math.min(skip, part.length));
          skip -= part.length - chunk.length;
          if (chunk.length === 0) continue;
          received += chunk.length;
          if (what.expected !== undefined && received > what.expected) {
            throw changed(request, `more than the expected ${what.expected} bytes came`, {
              expected: what.expected,
              found: received,
            });
          }
          hash?.update(chunk);
          yield chunk;
        }
        if (what.expected === undefined || received === what.expected) break;
        failure = truncated(request, received, what.expected);
      } catch (error) {
        request.signal?.throwIfAborted();
        failure = unreachable(error, "GET", request.path);
        if (failure.retry !== "later" || failure.code === "OVER_LIMIT") throw failure;
      }
      reply?.body.destroy();
      reply = undefined;
      if (received - progressAt >= PROGRESS_BYTES) {
        stalled = 0;
        progressAt = received;
      }
      if (++stalled > STALLED_MAX || ++resumes > RESUMES_MAX) {
        throw failure.code === "DOWNLOAD_TRUNCATED" ? failure : truncated(request, received, what.expected, failure);
      }
      request.onResume?.(received, failure);
      const bound = Math.min(RESUME_DELAY_MS_MAX, RESUME_DELAY_MS * 2 ** (stalled - 1));
      await client.clock.sleep(bound * client.random.fraction(), request.signal);
    }
    checkHash(request, what.wantedHash, hash, received);
  } finally {
    // The reader may have stopped early: the connection must not stay with the rest of the body in it.
    reply?.body.destroy();
  }
}

/** Asks for the rest. 206 from the right byte, or 200 whose prefix the caller skips; anything else is another source. */
async function resume(client: ServiceClient, request: DownloadRequest, from: number, what: Expectation): Promise<ExchangeReply> {
  let reply: ExchangeReply;
  try {
    reply = await ask(client, request, from, what.etag);
  } catch (error) {
    if (!CodedError.is(error)) throw error;
    const status = error.facts.status;
    if (status === 412 || status === 416 || error.code === "NOT_FOUND") {
      throw changed(request, `after ${from} bytes it is not there as it was`, { received: from, status }, error);
    }
    throw error;
  }
  try {
    const { etag } = reply.headers;
    if (what.etag !== undefined && etag !== undefined && etag !== what.etag) {
      throw changed(request, `its etag became ${etag}`, { received: from, expected: what.etag, found: etag });
    }
    checkContentType(request, reply.headers, reply.status);
    if (reply.status === 206) {
      checkRange(request, reply.headers, from, request.range === undefined ? what.expected : request.sizeBytes);
      return reply;
    }
    if (request.range !== undefined) throw ignoredRange(request, reply.status);
    const length = contentLength(reply.headers);
    if (length !== undefined && what.expected !== undefined && length !== what.expected) {
      throw changed(request, `its size became ${length}`, { expected: what.expected, found: length });
    }
    return reply;
  } catch (error) {
    reply.body.destroy();
    throw error;
  }
}

async function ask(
  client: ServiceClient,
  request: DownloadRequest,
  from: number | undefined,
  etag: string | undefined,
): Promise<ExchangeReply> {
  const headers: Record<string, string> = { accept: "*/*" };
  const { range } = request;
  if (range !== undefined) headers.range = `bytes=${from ?? range.start}-${range.end - 1}`;
  else if (from !== undefined && from > 0) headers.range = `bytes=${from}-`;
  if (etag !== undefined) headers["if-match"] = etag;
  try {
    return await client.stream({
      method: "GET",
      path: request.path,
      query: request.query,
      headers,
      expect: [200, 204, 206],
      signal: request.signal,
    });
  } catch (error) {
    if (from === undefined && CodedError.is(error) && error.facts.status === 412) {
      throw changed(request, "it has another etag", { expected: etag }, error);
    }
    throw error;
  }
}

/** An error page in place of the data: a proxy may answer 200 with HTML. Asked again, the service itself may answer. */
function checkContentType(request: DownloadRequest, headers: HeaderMap, status: number): void {
  const found = headers["content-type"];
  if (request.contentType === undefined || status === 204 || found === undefined || found.startsWith(request.contentType)) return;
  throw new CodedError("BAD_RESPONSE", `GET ${request.path} gave ${found} instead of ${request.contentType}`, {
    facts: { method: "GET", url: request.path, status, contentType: found, requestId: headers["x-openstack-request-id"] },
    retry: "later",
  });
}

function checkRange(request: DownloadRequest, headers: HeaderMap, from: number, total: number | undefined): void {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers["content-range"] ?? "");
  if (match === null || Number(match[1]) !== from) {
    throw new CodedError(
      "BAD_RESPONSE",
      `GET ${request.path} was asked for bytes from ${from} and gave ${headers["content-range"] ?? "no range"}`,
      {
        facts: { method: "GET", url: request.path, from, contentRange: headers["content-range"] },
      },
    );
  }
  if (total !== undefined && match[3] !== "*" && Number(match[3]) !== total) {
    throw changed(request, `its size became ${match[3]}`, { expected: total, found: Number(match[3]) });
  }
}

function checkHash(request: DownloadRequest, wanted: SourceHash | undefined, hash: Hash | undefined, received: number): void {
  if (wanted === undefined || hash === undefined) return;
  const found = hash.digest("hex");
  if (found === wanted.value.toLowerCase()) return;
  throw new CodedError(
    "HASH_MISMATCH",
    `GET ${request.path}: the ${wanted.algorithm} of the ${received} bytes is not the service's`,
    {
      facts: { url: request.path, algorithm: wanted.algorithm, expected: wanted.value, found, received },
      hint: "The data was damaged in the store or on the way: read it again; if it stays, the store is damaged.",
      retry: "later",
    },
  );
}

function contentLength(headers: HeaderMap): number | undefined {
  const text = headers["content-length"];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function truncated(request: DownloadRequest, received: number, expected: number | undefined, cause?: CodedError): CodedError {
  return new CodedError("DOWNLOAD_TRUNCATED", `GET ${request.path} gave ${received} of ${expected ?? "unknown many"} bytes`, {
    facts: { method: "GET", url: request.path, received, expected, cause: cause?.message },
    hint: "The service ended the data early; if it does so again, the object is damaged in its store.",
    retry: "later",
    cause,
  });
}

function changed(
  request: DownloadRequest,
  why: string,
  facts: Record<string, string | number | boolean | undefined>,
  cause?: unknown,
): CodedError {
  return new CodedError("SOURCE_CHANGED", `${request.path} changed while it was read: ${why}`, {
    facts: { url: request.path, ...facts },
    cause,
  });
}

function ignoredRange(request: DownloadRequest, status: number): CodedError {
  return new CodedError("BAD_RESPONSE", `GET ${request.path} does not honour Range (${status})`, {
    facts: { url: request.path, status },
  });
}
