/** What the live checks share: one printed line per check, a count of those that failed, comparison, and bytes. */

import { isDeepStrictEqual } from "node:util";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";

export const MIB = 2 ** 20;
export const parts = { clock: systemClock, random: systemRandom };
let failures = 0;

/** Checks that failed so far. */
export function failureCount(): number {
  return failures;
}

export async function check(what: string, work: () => Promise<unknown>): Promise<void> {
  const startMs = systemClock.monotonic();
  try {
    const result = await work();
    console.log(
      `ok    ${what} (${Math.round(systemClock.monotonic() - startMs)} ms)${result === undefined ? "" : `: ${String(result)}`}`,
    );
  } catch (error) {
    failures++;
    const coded = CodedError.from(error);
    console.log(`FAIL  ${what}: ${coded.code} ${coded.message} ${JSON.stringify(coded.facts)}`);
    if (coded.code === "INTERNAL") console.log(error);
  }
}

export function same(found: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(found, expected))
    throw new CodedError("ASSERTION", `${what}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
}

export async function code(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "none";
  } catch (error) {
    return CodedError.from(error).code;
  }
}

export async function read(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body, (chunk) => Buffer.from(chunk)));
}

export async function* inParts(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export function noise(length: number): Buffer {
  return Buffer.from(systemRandom.bytes(length));
}
