/**
 * A work queue on one JetStream stream with one durable pull consumer.
 *
 * A claim pulls exactly one message with an expiry: the acknowledgement wait of a job begins when it is delivered, so nothing
 * is fetched ahead. An aborted claim leaves its pull open until it expires and gives back at once what still arrives.
 * Deliveries are unlimited: who decides that a task has failed is the coordinator, not the queue. A late `done` of a
 * worker that was given up counts for whoever has the job now (nats-server issue 4786), so effects are made idempotent elsewhere.
 */

import { AckPolicy, DeliverPolicy, DiscardPolicy, JetStreamApiError, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { createInbox, type Msg, nanos } from "@nats-io/transport-node";
import { type Clock, utf8 } from "@permafrost/std";
import { busClosed, busUnreachable } from "../errors.ts";
import type { ClaimedJob, JobQueue } from "../jobs.ts";
import { checkJobId, checkValue, DUPLICATE_WINDOW_MS } from "../limits.ts";
import type { BusConnection } from "./connection.ts";
import { isMissing } from "./connection.ts";
import { ensureStream } from "./stream.ts";

/** JSConsumerAlreadyExists of nats-server's errors.json. */
const CONSUMER_EXISTS = 10148;
const CONSUMER = "workers";
const JOB_ID_HEADER = "Nats-Msg-Id";
/** Jobs being worked on at once in the whole cluster. */
const CLAIMS_MAX = 65_536;
const ACK_TIMEOUT_MS = 5_000;
/** The server ends a pull by itself; this much later it is taken for lost. */
const PULL_GRACE_MS = 2_000;
const PAUSE_MS = 100;

type Pulled = Msg | "expired" | "missing" | "again" | "aborted";

export class NatsQueue implements JobQueue {
  readonly #bus: BusConnection;
  readonly #clock: Clock;
  readonly #stream: string;
  readonly #subject: string;
  readonly #ackWaitMs: number;

  private constructor(bus: BusConnection, clock: Clock, name: string, ackWaitMs: number) {
    this.#bus = bus;
    this.#clock = clock;
    this.#stream = `permafrost_jobs_${name}`;
    this.#subject = `permafrost.jobs.${name}`;
    this.#ackWaitMs = ackWaitMs;
  }

  static async open(bus: BusConnection, clock: Clock, name: string, ackWaitMs: number): Promise<NatsQueue> {
    const queue = new NatsQueue(bus, clock, name, ackWaitMs);
    await queue.#ensure();
    return queue;
  }

  readonly #ensure = async (): Promise<void> => {
    await ensureStream(this.#bus, {
      name: this.#stream,
      subjects: [this.#subject],
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    });
    const consumer = {
      durable_name: CONSUMER,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(this.#ackWaitMs),
      max_deliver: -1,
      max_ack_pending: CLAIMS_MAX,
    };
    try {
      await this.#bus.jsm.consumers.add(this.#stream, consumer);
    } catch (error) {
      // From 2.10 on a server refuses to make what is there with other settings; 2.9 changes it.
      if (!(error instanceof JetStreamApiError) || error.code !== CONSUMER_EXISTS) throw this.#bus.translate(error);
      try {
        await this.#bus.jsm.consumers.update(this.#stream, CONSUMER, consumer);
      } catch (cause) {
        throw this.#bus.translate(cause);
      }
    }
  };

  async publish(id: string, body: Uint8Array): Promise<void> {
    checkJobId(id);
    checkValue(body, this.#bus.valueBytesMax);
    await this.#bus.call(() => this.#bus.js.publish(this.#subject, body, { msgID: id }), this.#ensure);
  }

  async claim(waitMs: number, signal?: AbortSignal): Promise<ClaimedJob | undefined> {
    const deadline = this.#clock.monotonic() + waitMs;
    for (;;) {
      if (this.#bus.isClosed) throw busClosed();
      if (signal?.aborted) return undefined;
      const leftMs = deadline - this.#clock.monotonic();
      if (leftMs <= 0) {
        if (!this.#bus.isConnected) throw busUnreachable(this.#bus.servers);
        return undefined;
      }
      const pulled = this.#bus.isConnected ? await this.#pull(leftMs, signal) : "again";
      if (typeof pulled === "object") return this.#claimed(pulled);
      if (pulled === "aborted" || pulled === "expired") return undefined;
      if (pulled === "missing") await this.#ensure();
      else await this.#clock.sleep(Math.min(PAUSE_MS, leftMs), signal).catch(() => undefined);
    }
  }

  /** One pull request for one message. */
  async #pull(waitMs: number, signal: AbortSignal | undefined): Promise<Pulled> {
    const { nats } = this.#bus;
    const { promise, resolve } = Promise.withResolvers<Pulled>();
    let isOver = false;
    const settle = (result: Pulled) => {
      isOver = true;
      resolve(result);
    };
    const subscription = nats.subscribe(createInbox(), {
      max: 1,
      callback: (error, message) => {
        if (error) return settle("again");
        const code = message.headers?.code ?? 0;
        if (code === 0 && isOver) void this.#giveBackLate(message);
        else if (code === 0) settle(message);
        else settle(code === 408 || code === 404 ? "expired" : code === 503 ? "missing" : "again");
      },
    });
    const timers = new AbortController();
    const stopListening = this.#bus.onChange((isConnected) => {
      if (!isConnected) settle("again");
    });
    const onAbort = () => settle("aborted");
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const request = JSON.stringify({ batch: 1, expires: nanos(Math.ceil(waitMs)) });
      nats.publish(`$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${CONSUMER}`, utf8(request), { reply: subscription.getSubject() });
      void this.#clock.sleep(waitMs + PULL_GRACE_MS, timers.signal).then(
        () => settle("again"),
        () => undefined,
      );
      const result = await promise;
      // After an abort the subscription stays until the pull's one answer, to give back a job that was on its way.
      if (result === "aborted") this.#endLater(subscription, waitMs);
      else if (typeof result === "string") subscription.unsubscribe();
      return result;
    } catch (error) {
      subscription.unsubscribe();
      throw this.#bus.translate(error);
    } finally {
      timers.abort();
      stopListening();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  #endLater(subscription: { unsubscribe(): void }, waitMs: number): void {
    void this.#clock.sleep(waitMs + PULL_GRACE_MS).then(() => {
      if (!this.#bus.isClosed) subscription.unsubscribe();
    });
  }

  async #giveBackLate(message: Msg): Promise<void> {
    // Without an answer the acknowledgement wait gives it back anyway.
    await this.#answer(message, "-NAK").catch(() => undefined);
  }

  #claimed(message: Msg): ClaimedJob {
    let isOver = false;
    const answerOnce = async (answer: string) => {
      if (isOver) return;
      await this.#answer(message, answer);
      isOver = true;
    };
    return {
      id: message.headers?.get(JOB_ID_HEADER) ?? "",
      body: message.data,
      deliveries: deliveriesOf(message.reply ?? ""),
      working: async () => {
        if (!isOver) await this.#answer(message, "+WPI");
      },
      done: () => answerOnce("+ACK"),
      giveBack: (delayMs) => answerOnce(delayMs > 0 ? `-NAK ${JSON.stringify({ delay: nanos(delayMs) })}` : "-NAK"),
    };
  }

  /** Sends an acknowledgement and waits until the server has it. A stream that is gone has nothing left to acknowledge. */
  async #answer(message: Msg, text: string): Promise<void> {
    try {
      await this.#bus.nats.request(message.reply ?? "", utf8(text), { timeout: ACK_TIMEOUT_MS });
    } catch (error) {
      if (!isMissing(error)) throw this.#bus.translate(error);
    }
  }

  async pending(): Promise<number> {
    const info = await this.#bus.call(() => this.#bus.jsm.streams.info(this.#stream), this.#ensure);
    return info.state.messages;
  }

  async purge(): Promise<void> {
    await this.#bus.call(() => this.#bus.jsm.streams.purge(this.#stream), this.#ensure);
  }
}

/** The delivery count in `$JS.ACK.[domain.account.]stream.consumer.deliveries.…`. */
export function deliveriesOf(reply: string): number {
  const tokens = reply.split(".");
  return Number(tokens[tokens.length >= 11 ? 6 : 4] ?? 1);
}
