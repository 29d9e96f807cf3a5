/** The leases of every bus: one holder, growing fences, takeover from a silent one. */

import { randomId, systemClock } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import type { Lease } from "../src/index.ts";
import { type BusHarness, eventually } from "./harness.ts";

export function leaseSuite(harness: () => BusHarness): void {
  describe("lease", () => {
    const TTL_MS = 1_200;

    const takeOver = (name_: string, holder: string): Promise<Lease> =>
      eventually(() => harness().other.lease(name_, holder, TTL_MS), TTL_MS * 10);

    it("has one holder; release lets the next one in with a higher fence", async () => {
      const lease = `l-${randomId()}`;
      const first = await harness().bus.lease(lease, "a", TTL_MS);
      expect(first?.holder).toBe("a");
      expect(await harness().other.lease(lease, "b", TTL_MS)).toBeUndefined();
      expect(await first?.renew()).toBe(true);
      await first?.release();
      const second = await harness().other.lease(lease, "b", TTL_MS);
      expect(second?.fence).toBeGreaterThan(first?.fence ?? 0n);
      expect(await first?.renew()).toBe(false);
      expect(await second?.renew()).toBe(true);
    });

    it("stays with a holder that renews, for longer than its time to live", async () => {
      const lease = `l-${randomId()}`;
      const held = await harness().bus.lease(lease, "a", TTL_MS);
      for (let turn = 0; turn < 6; turn++) {
        await systemClock.sleep(TTL_MS / 4);
        expect(await held?.renew()).toBe(true);
        expect(await harness().other.lease(lease, "b", TTL_MS)).toBeUndefined();
      }
    });

    it("passes to another when the holder falls silent, and the old holder learns it", async () => {
      const lease = `l-${randomId()}`;
      const first = await harness().bus.lease(lease, "a", TTL_MS);
      const second = await takeOver(lease, "b");
      expect(second.fence).toBeGreaterThan(first?.fence ?? 0n);
      expect(await first?.renew()).toBe(false);
      await first?.release();
      expect(await second.renew()).toBe(true);
    });

    it("gives a released or expired lease to exactly one of many contenders", async () => {
      const lease = `l-${randomId()}`;
      const contenders = Array.from({ length: 8 }, (_, index) =>
        (index % 2 ? harness().bus : harness().other).lease(lease, `c${index}`, TTL_MS),
      );
      const winners = (await Promise.all(contenders)).filter((won) => won !== undefined);
      expect(winners).toHaveLength(1);
    });

    it("gives the same holder a new fence, and its older handle nothing", async () => {
      const lease = `l-${randomId()}`;
      const first = await harness().bus.lease(lease, "a", TTL_MS);
      const again = await harness().bus.lease(lease, "a", TTL_MS);
      expect(again?.fence).toBeGreaterThan(first?.fence ?? 0n);
      expect(await first?.renew()).toBe(false);
      expect(await again?.renew()).toBe(true);
    });
  });
}
