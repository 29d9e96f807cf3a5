/** The work queue of every bus: each job to one claimer, at least once, until it is done. */

import { fromUtf8, randomId, systemClock, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { ACK_WAIT_MS, type BusHarness, claimed, codeOf, eventually } from "./harness.ts";

export function queueSuite(harness: () => BusHarness): void {
  const newQueue = () => harness().bus.queue(`q-${randomId()}`, { ackWaitMs: ACK_WAIT_MS });

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
      // So long that only giving back brings the job in time.
      const queue = await harness().bus.queue(`q-${randomId()}`, { ackWaitMs: 600_000 });
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
      await again.giveBack(1_000);
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
      const mine = await harness().bus.queue(queueName, { ackWaitMs: ACK_WAIT_MS });
      const theirs = await harness().other.queue(queueName, { ackWaitMs: ACK_WAIT_MS });
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
      expect(await codeOf(harness().bus.queue("a.b", { ackWaitMs: 1_000 }))).toBe("KEY_INVALID");
    });

    it("carries bodies of several megabytes unchanged", async () => {
      const queue = await newQueue();
      const body = new Uint8Array(6 * 1024 * 1024).map((_, index) => (index * 31) & 0xff);
      await queue.publish("large", body);
      const job = claimed(await queue.claim(5_000));
      expect(Buffer.compare(job.body, body)).toBe(0);
    });
  });
}
