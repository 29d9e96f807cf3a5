export { compareBytes, concatBytes, EMPTY_BYTES, equalBytes, fromHex, fromUtf8, toHex, utf8 } from "./bytes.ts";
export { type Clock, isoTime, systemClock } from "./clock.ts";
export { assert, CodedError, type CodedErrorOptions, type Facts, type Retry } from "./errors.ts";
export { canonicalJson, type Json, type JsonObject } from "./json.ts";
export { mapPool } from "./pool.ts";
export { type Random, randomId, systemRandom } from "./random.ts";
export { type RetryOptions, retry } from "./retry.ts";
export { nextTurn } from "./turn.ts";
