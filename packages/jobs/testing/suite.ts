/**
 * What every bus must do. Call `busSuite` inside a test file of the implementation.
 *
 * Runs on real time with short waits, since a server's time cannot be set. Each test uses names of its own, so that one server
 * serves them all.
 */

import { CodedError, fromUtf8, randomId, systemClock, utf8 } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bus, ClaimedJob, Lease } from "../src/index.ts";

export interface BusHarness {
  readonly bus: Bus;
  /** Another member of the same cluster; the same object where the bus is one process. */
  readonly other: Bus;
  stop(): Promise<void>;
}

const ACK_WAIT_MS = 1_000;

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return CodedError.is(error) ? error.code : `no CodedError but ${String(error)}`;
}

async function eventually<T>(look: () => Promise<T | undefined>, timeoutMs = 5_000): Promise<T> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (systemClock.monotonic() > deadline) throw new Error("it did not happen in time");
    await systemClock.sleep(20);
  }
}

function claimed(job: ClaimedJob | undefined): ClaimedJob {
  if (job === undefined) throw new Error("no job came");
  return job;
}

export function busSuite(name: string, start: () => Promise<BusHarness>): void {
  describe(`${name} as a bus`, () => {
    let harness: BusHarness;
    beforeAll(async () => {
      harness = await start();
    });
    afterAll(() => harness.stop());

    const newQueue = () => harness.bus.queue(`q-${randomId()}`, { ackWaitMs: ACK_WAIT_MS });
    const newTable = (ttlMs?: number) => harness.bus.table(`t-${randomId()}`, ttlMs === undefined ? {} : { ttlMs });

    describe("queue", () => {
      it("gives each job to one claimer, with its id and body, until it is done", async () => {
        const queue = await newQueue();
        await queue.publish("a", utf8("one"));
        await queue.publish("b", utf8("two"));
        const jobs = [claimed(await queue.claim(1_000)), claimed(await queue.claim(1_000))];
        expect(jobs.map((job) => [job.id, fromUtf8(job.body), job.deliveries])).toEqual([
          ["a", "one", 1],
          ["b", "two", 1],
        ]);
        expect(await queue.claim(50)).toBeUndefined();
        expect(await queue.pending()).toBe(2);
        for (const job of jobs) await job.done();
        expect(await eventually(async () => ((await queue.pending()) === 0 ? true : undefined))).toBe(true);
      });

      it("does not add a job id twice, not even when it is done already", async () => {
        const queue = await newQueue();
        await queue.publish("a", utf8("one"));
        await queue.publish("a", utf8("again"));
        expect(await queue.pending()).toBe(1);
        const job = claimed(await queue.claim(1_000));
        await job.done();
        await job.done();
        await queue.publish("a", utf8("again"));
        expect(await queue.claim(50)).toBeUndefined();
      });

      it("wakes a waiting claim when a job arrives", async () => {
        const queue = await newQueue();
        const waiting = queue.claim(5_000);
        await systemClock.sleep(50);
        const before = systemClock.monotonic();
        await queue.publish("late", utf8("x"));
        expect(claimed(await waiting).id).toBe("late");
        expect(systemClock.monotonic() - before).toBeLessThan(2_000);
      });

      it("ends a claim after its wait, and at once when it is aborted", async () => {
        const queue = await newQueue();
        const before = systemClock.monotonic();
        expect(await queue.claim(200)).toBeUndefined();
        expect(systemClock.monotonic() - before).toBeGreaterThanOrEqual(150);
        const aborter = new AbortController();
        const waiting = queue.claim(60_000, aborter.signal);
        await systemClock.sleep(50);
        aborter.abort();
        expect(await waiting).toBeUndefined();
        expect(await queue.claim(60_000, aborter.signal)).toBeUndefined();
        expect(systemClock.monotonic() - before).toBeLessThan(5_000);
      });

      it("does not lose a job to an aborted claim", async () => {
        const queue = await newQueue();
        const aborter = new AbortController();
        const waiting = queue.claim(3_000, aborter.signal);
        await systemClock.sleep(50);
        aborter.abort();
        await waiting;
        await queue.publish("a", utf8("x"));
        expect(claimed(await queue.claim(5_000)).id).toBe("a");
      });

      it("delivers again what was claimed and neither worked on nor done", async () => {
        const queue = await newQueue();
        await queue.publish("a", utf8("x"));
        claimed(await queue.claim(1_000));
        expect(await queue.claim(ACK_WAIT_MS / 3)).toBeUndefined();
        const second = claimed(await queue.claim(ACK_WAIT_MS * 5));
        expect([second.id, second.deliveries]).toEqual(["a", 2]);
      });

      it("keeps a job with its claimer as long as it says it is working", async () => {
        const queue = await newQueue();
        await queue.publish("a", utf8("x"));
        const job = claimed(await queue.claim(1_000));
        for (let turn = 0; turn < 5; turn++) {
          expect(await queue.claim(ACK_WAIT_MS / 3)).toBeUndefined();
          await job.working();
        }
        await job.done();
        expect(await queue.pending()).toBe(0);
      });

      it("delivers a job that was given back, at once or after the delay", async () => {
        const queue = await newQueue();
        await queue.publish("a", utf8("x"));
        await claimed(await queue.claim(1_000)).giveBack(0);
        const again = claimed(await queue.claim(1_000));
        expect(again.deliveries).toBe(2);
        await again.giveBack(400);
        expect(await queue.claim(150)).toBeUndefined();
        expect(claimed(await queue.claim(3_000)).deliveries).toBe(3);
      });

      it("forgets every job when purged", async () => {
        const queue = await newQueue();
        for (const id of ["a", "b", "c"]) await queue.publish(id, utf8(id));
        await queue.purge();
        expect(await queue.pending()).toBe(0);
        expect(await queue.claim(50)).toBeUndefined();
      });

      it("is one queue for everyone who opens it", async () => {
        const queueName = `q-${randomId()}`;
        const mine = await harness.bus.queue(queueName, { ackWaitMs: ACK_WAIT_MS });
        const theirs = await harness.other.queue(queueName, { ackWaitMs: ACK_WAIT_MS });
        const ids = Array.from({ length: 20 }, (_, index) => `job-${index}`);
        for (const id of ids) await mine.publish(id, utf8(id));
        const drain = async (queue: typeof mine) => {
          const seen: string[] = [];
          for (let job = await queue.claim(200); job !== undefined; job = await queue.claim(200)) {
            seen.push(job.id);
            await job.done();
          }
          return seen;
        };
        const seen = (await Promise.all([drain(mine), drain(theirs)])).flat();
        expect(seen.sort()).toEqual(ids.sort());
      });

      it("refuses ids and bodies that cannot travel", async () => {
        const queue = await newQueue();
        expect(await codeOf(queue.publish("two words", utf8("x")))).toBe("KEY_INVALID");
        expect(await codeOf(queue.publish("", utf8("x")))).toBe("KEY_INVALID");
        expect(await codeOf(queue.publish("large", new Uint8Array(9 * 1024 * 1024)))).toBe("VALUE_TOO_LARGE");
        expect(await codeOf(harness.bus.queue("a.b", { ackWaitMs: 1_000 }))).toBe("KEY_INVALID");
      });

      it("carries bodies of several megabytes unchanged", async () => {
        const queue = await newQueue();
        const body = new Uint8Array(6 * 1024 * 1024).map((_, index) => (index * 31) & 0xff);
        await queue.publish("large", body);
        const job = claimed(await queue.claim(5_000));
        expect(Buffer.compare(job.body, body)).toBe(0);
      });
    });

    describe("table", () => {
      it("gives what was put, with a growing revision", async () => {
        const table = await newTable();
        expect(await table.get("a")).toBeUndefined();
        const first = await table.put("a", utf8("1"));
        const second = await table.put("a", utf8("2"));
        expect(second).toBeGreaterThan(first);
        const entry = await table.get("a");
        expect([entry?.key, fromUtf8(entry?.value ?? utf8("")), entry?.revision]).toEqual(["a", "2", second]);
      });

      it("creates a key once, and again after it was deleted", async () => {
        const table = await newTable();
        await table.create("a", utf8("1"));
        expect(await codeOf(table.create("a", utf8("2")))).toBe("REVISION_CONFLICT");
        await table.delete("a");
        await table.delete("a");
        expect(await table.get("a")).toBeUndefined();
        await table.create("a", utf8("3"));
        expect(fromUtf8((await table.get("a"))?.value ?? utf8(""))).toBe("3");
      });

      it("updates only the revision that was read", async () => {
        const table = await newTable();
        const first = await table.put("a", utf8("1"));
        const second = await table.update("a", utf8("2"), first);
        expect(await codeOf(table.update("a", utf8("3"), first))).toBe("REVISION_CONFLICT");
        expect(await codeOf(table.update("absent", utf8("3"), first))).toBe("REVISION_CONFLICT");
        await table.delete("a");
        expect(await codeOf(table.update("a", utf8("3"), second))).toBe("REVISION_CONFLICT");
      });

      it("lets one of many updaters win each round", async () => {
        const table = await newTable();
        await table.put("count", utf8("0"));
        const add = async () => {
          for (;;) {
            const entry = await table.get("count");
            if (entry === undefined) throw new Error("the counter vanished");
            try {
              await table.update("count", utf8(String(Number(fromUtf8(entry.value)) + 1)), entry.revision);
              return;
            } catch (error) {
              if (!CodedError.is(error, "REVISION_CONFLICT")) throw error;
            }
          }
        };
        await Promise.all(Array.from({ length: 8 }, add));
        expect(fromUtf8((await table.get("count"))?.value ?? utf8(""))).toBe("8");
      });

      it("lists keys by prefix, in order, whether or not the prefix ends at a dot", async () => {
        const table = await newTable();
        for (const key of ["s1.b", "s1.a", "s10.a", "s2", "x/y=z"]) await table.put(key, utf8(key));
        await table.put("s1.gone", utf8("x"));
        await table.delete("s1.gone");
        const keys = async (prefix: string) => (await table.list(prefix)).map((entry) => entry.key);
        expect(await keys("s1.")).toEqual(["s1.a", "s1.b"]);
        expect(await keys("s1")).toEqual(["s1.a", "s1.b", "s10.a"]);
        expect(await keys("s1.a")).toEqual(["s1.a"]);
        expect(await keys("")).toEqual(["s1.a", "s1.b", "s10.a", "s2", "x/y=z"]);
        expect(await keys("none")).toEqual([]);
      });

      it("lets entries vanish that were not changed for their time to live", async () => {
        const table = await newTable(600);
        await table.put("stale", utf8("1"));
        await table.put("kept", utf8("1"));
        const refresher = setInterval(() => void table.put("kept", utf8("2")), 150);
        try {
          await eventually(async () => ((await table.get("stale")) === undefined ? true : undefined));
          expect((await table.list("")).map((entry) => entry.key)).toEqual(["kept"]);
        } finally {
          clearInterval(refresher);
        }
      });

      it("watches: what is there, then every change, until aborted", async () => {
        const table = await newTable();
        await table.put("p.old", utf8("0"));
        await table.put("other", utf8("0"));
        const aborter = new AbortController();
        const seen: string[] = [];
        const watching = (async () => {
          for await (const change of table.watch("p.", aborter.signal)) {
            seen.push(`${change.key}=${change.value === undefined ? "deleted" : fromUtf8(change.value)}`);
          }
        })();
        const until = (text: string) => eventually(async () => (seen.includes(text) ? true : undefined));
        await until("p.old=0");
        await table.put("p.new", utf8("1"));
        await until("p.new=1");
        await table.put("other", utf8("1"));
        await table.put("p.new", utf8("2"));
        await table.delete("p.old");
        await until("p.old=deleted");
        aborter.abort();
        await watching;
        expect(seen).toEqual(["p.old=0", "p.new=1", "p.new=2", "p.old=deleted"]);
      });

      it("watches: tells of entries whose time to live ended", async () => {
        const table = await newTable(600);
        await table.put("a", utf8("1"));
        const aborter = new AbortController();
        const seen: (string | undefined)[] = [];
        for await (const change of table.watch("", aborter.signal)) {
          seen.push(change.value && fromUtf8(change.value));
          if (change.value === undefined) break;
        }
        expect(seen).toEqual(["1", undefined]);
      });

      it("shows one member's writes to the others", async () => {
        const tableName = `t-${randomId()}`;
        const mine = await harness.bus.table(tableName);
        const theirs = await harness.other.table(tableName);
        const revision = await mine.put("a", utf8("1"));
        expect((await theirs.get("a"))?.revision).toBe(revision);
      });

      it("refuses keys outside the alphabet", async () => {
        const table = await newTable();
        for (const key of ["", ".a", "a.", "a..b", "a b", "a*", "ä", ">"])
          expect(await codeOf(table.put(key, utf8("")))).toBe("KEY_INVALID");
        expect(await codeOf(harness.bus.table("a/b"))).toBe("KEY_INVALID");
      });
    });

    describe("lease", () => {
      const TTL_MS = 400;

      const takeOver = (name_: string, holder: string): Promise<Lease> =>
        eventually(() => harness.other.lease(name_, holder, TTL_MS), TTL_MS * 10);

      it("has one holder; release lets the next one in with a higher fence", async () => {
        const lease = `l-${randomId()}`;
        const first = await harness.bus.lease(lease, "a", TTL_MS);
        expect(first?.holder).toBe("a");
        expect(await harness.other.lease(lease, "b", TTL_MS)).toBeUndefined();
        expect(await first?.renew()).toBe(true);
        await first?.release();
        const second = await harness.other.lease(lease, "b", TTL_MS);
        expect(second?.fence).toBeGreaterThan(first?.fence ?? 0n);
        expect(await first?.renew()).toBe(false);
        expect(await second?.renew()).toBe(true);
      });

      it("stays with a holder that renews, for longer than its time to live", async () => {
        const lease = `l-${randomId()}`;
        const held = await harness.bus.lease(lease, "a", TTL_MS);
        for (let turn = 0; turn < 8; turn++) {
          await systemClock.sleep(TTL_MS / 4);
          expect(await held?.renew()).toBe(true);
          expect(await harness.other.lease(lease, "b", TTL_MS)).toBeUndefined();
        }
      });

      it("passes to another when the holder falls silent, and the old holder learns it", async () => {
        const lease = `l-${randomId()}`;
        const first = await harness.bus.lease(lease, "a", TTL_MS);
        const second = await takeOver(lease, "b");
        expect(second.fence).toBeGreaterThan(first?.fence ?? 0n);
        expect(await first?.renew()).toBe(false);
        await first?.release();
        expect(await second.renew()).toBe(true);
      });

      it("gives a released or expired lease to exactly one of many contenders", async () => {
        const lease = `l-${randomId()}`;
        const contenders = Array.from({ length: 8 }, (_, index) =>
          (index % 2 ? harness.bus : harness.other).lease(lease, `c${index}`, TTL_MS),
        );
        const winners = (await Promise.all(contenders)).filter((won) => won !== undefined);
        expect(winners).toHaveLength(1);
      });

      it("gives the same holder a new fence, and its older handle nothing", async () => {
        const lease = `l-${randomId()}`;
        const first = await harness.bus.lease(lease, "a", TTL_MS);
        const again = await harness.bus.lease(lease, "a", TTL_MS);
        expect(again?.fence).toBeGreaterThan(first?.fence ?? 0n);
        expect(await first?.renew()).toBe(false);
        expect(await again?.renew()).toBe(true);
      });
    });

    it("answers a ping, and refuses everything once closed", async () => {
      const own = await start();
      await own.bus.ping();
      const queue = await own.bus.queue("q", { ackWaitMs: ACK_WAIT_MS });
      const table = await own.bus.table("t");
      const waiting = codeOf(queue.claim(60_000));
      await systemClock.sleep(50);
      await own.bus.close();
      await own.bus.close();
      expect(await waiting).toBe("BUS_CLOSED");
      expect(await codeOf(own.bus.ping())).toBe("BUS_CLOSED");
      expect(await codeOf(own.bus.queue("q", { ackWaitMs: ACK_WAIT_MS }))).toBe("BUS_CLOSED");
      expect(await codeOf(own.bus.table("t"))).toBe("BUS_CLOSED");
      expect(await codeOf(own.bus.lease("l", "a", 1_000))).toBe("BUS_CLOSED");
      expect(await codeOf(queue.publish("a", utf8("")))).toBe("BUS_CLOSED");
      expect(await codeOf(queue.pending())).toBe("BUS_CLOSED");
      expect(await codeOf(table.put("a", utf8("")))).toBe("BUS_CLOSED");
      expect(await codeOf(table.get("a"))).toBe("BUS_CLOSED");
      const watching = (async () => {
        for await (const change of table.watch("", new AbortController().signal)) throw new Error(`a change of ${change.key}`);
      })();
      expect(await codeOf(watching)).toBe("BUS_CLOSED");
      await own.stop();
    });
  });
}
