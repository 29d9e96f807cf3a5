/**
 * The client's end of one Put stream, for one scope.
 *
 * Sends messages as they come, at most PUTS_IN_FLIGHT_MAX unacknowledged, and resolves each when its acknowledgement arrives, in
 * whatever order. When the stream fails, the message the server names gets the server's error; the others, of which nothing is known,
 * fail with PUT_INTERRUPTED (`later`): putting them again is harmless. A stream that has nothing to do for a moment ends by itself,
 * and one that makes no progress with something to do fails with DEADLINE.
 */

import type { Scope, SealedBlock } from "@permafrost/blocks";
import { type Clock, CodedError } from "@permafrost/std";
import type { PutRequest, PutResponse } from "./gen/permafrost/block/v1/block.ts";
import { PUTS_IN_FLIGHT_MAX, STALL_TIMEOUT_MS } from "./limits.ts";

const LINGER_MS = 1_000;

export interface PutStreamOptions {
  readonly address: string;
  readonly scope: Scope;
  readonly call: (requests: AsyncIterable<PutRequest>, options: { signal: AbortSignal }) => AsyncIterable<PutResponse>;
  readonly clock: Clock;
  readonly stallTimeoutMs?: number;
  /** Called once, when the stream takes no more. */
  readonly onEnd: () => void;
}

interface Pending {
  resolve(): void;
  reject(error: unknown): void;
}

export class PutStream {
  readonly #options: PutStreamOptions;
  readonly #abort = new AbortController();
  readonly #queue: PutRequest[] = [];
  readonly #pending = new Map<bigint, Pending>();
  readonly #waiting: Pending[] = [];
  #sequence = 0n;
  #progressAt: number;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(options: PutStreamOptions) {
    this.#options = options;
    this.#progressAt = options.clock.monotonic();
    void this.#receive();
    void this.#watch();
  }

  /** Resolves when the blocks are durable at the other end. */
  async send(blocks: readonly SealedBlock[]): Promise<void> {
    if (this.#pending.size >= PUTS_IN_FLIGHT_MAX) {
      await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    if (this.#ended) throw this.#interrupted();
    const sequence = ++this.#sequence;
    this.#progressAt = this.#options.clock.monotonic();
    const acknowledged = new Promise<void>((resolve, reject) => this.#pending.set(sequence, { resolve, reject }));
    const first = sequence === 1n ? { scope: this.#options.scope } : {};
    this.#queue.push({ ...first, sequence, blocks: [...blocks] });
    this.#wake();
    await acknowledged;
  }

  /** Ends the stream now; what is not acknowledged fails. */
  close(): void {
    this.#fail(this.#interrupted());
  }

  async *#requests(): AsyncGenerator<PutRequest> {
    while (!this.#ended || this.#queue.length > 0) {
      const request = this.#queue.shift();
      if (request) yield request;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  async #receive(): Promise<void> {
    try {
      for await (const { sequence } of this.#options.call(this.#requests(), { signal: this.#abort.signal })) {
        this.#progressAt = this.#options.clock.monotonic();
        this.#pending.get(sequence)?.resolve();
        this.#pending.delete(sequence);
        if (this.#pending.size < PUTS_IN_FLIGHT_MAX) this.#waiting.shift()?.resolve();
      }
      this.#fail(this.#interrupted());
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends an idle stream, fails a stalled one. */
  async #watch(): Promise<void> {
    const { clock, stallTimeoutMs = STALL_TIMEOUT_MS, address } = this.#options;
    try {
      while (!this.#ended) {
        await clock.sleep(Math.min(LINGER_MS, stallTimeoutMs), this.#abort.signal);
        const quietMs = clock.monotonic() - this.#progressAt;
        if (this.#pending.size === 0 && quietMs >= LINGER_MS) this.#end();
        else if (this.#pending.size > 0 && quietMs >= stallTimeoutMs) {
          this.#fail(
            new CodedError("DEADLINE", `${address} has acknowledged nothing for ${Math.round(quietMs)} ms`, {
              facts: { peer: address, unacknowledged: this.#pending.size },
              hint: "the node's disk may be stuck; look at its log",
              retry: "later",
            }),
          );
        }
      }
    } catch {
      // aborted: the stream is over
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wake();
    this.#options.onEnd();
  }

  #fail(error: unknown): void {
    this.#end();
    this.#queue.length = 0;
    const culprit = CodedError.is(error) && typeof error.facts.sequence === "number" ? BigInt(error.facts.sequence) : undefined;
    for (const [sequence, pending] of this.#pending) {
      pending.reject(culprit === undefined || culprit === sequence ? error : this.#interrupted());
    }
    this.#pending.clear();
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#interrupted());
    this.#abort.abort();
  }

  #interrupted(): CodedError {
    return new CodedError("PUT_INTERRUPTED", `the stream to ${this.#options.address} ended before this was acknowledged`, {
      facts: { peer: this.#options.address },
      retry: "later",
    });
  }
}
