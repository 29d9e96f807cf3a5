/**
 * What every bus must do. Call `busSuite` inside a test file of the implementation.
 *
 * Runs on real time with short waits, since a server's time cannot be set. Each test uses names of its own, so that one server
 * serves them all.
 */

import { systemClock, utf8 } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ACK_WAIT_MS, type BusHarness, codeOf } from "./harness.ts";
import { leaseSuite } from "./lease-suite.ts";
import { queueSuite } from "./queue-suite.ts";
import { tableSuite } from "./table-suite.ts";

export type { BusHarness } from "./harness.ts";

export function busSuite(name: string, start: () => Promise<BusHarness>): void {
  describe(`${name} as a bus`, () => {
    let harness: BusHarness;
    beforeAll(async () => {
      harness = await start();
    });
    afterAll(() => harness.stop());

    queueSuite(() => harness);
    tableSuite(() => harness);
    leaseSuite(() => harness);

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
