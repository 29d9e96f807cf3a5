import { describe, expect, it } from "vitest";
import { systemClock } from "./clock.ts";
import { mapPool } from "./pool.ts";

describe("mapPool", () => {
  it("gives results in the order of the items, whatever order they end in", async () => {
    const results = await mapPool([30, 1, 15, 1], 4, async (ms, index) => {
      await systemClock.sleep(ms);
      return `${index}:${ms}`;
    });
    expect(results).toEqual(["0:30", "1:1", "2:15", "3:1"]);
  });

  it.each([1, 3, 100])("runs at most %i at once, and as many as it may", async (limit) => {
    let running = 0;
    let most = 0;
    await mapPool(Array.from({ length: 20 }), limit, async () => {
      most = Math.max(most, ++running);
      await systemClock.sleep(2);
      running--;
    });
    expect(most).toBe(Math.min(limit, 20));
  });

  it("takes items of an asynchronous sequence only as fast as they are worked on", async () => {
    let given = 0;
    let done = 0;
    async function* items() {
      for (let item = 0; item < 10; item++) {
        given++;
        expect(given - done).toBeLessThanOrEqual(3);
        yield item;
      }
    }
    await mapPool(items(), 2, async () => {
      await systemClock.sleep(1);
      done++;
    });
    expect(done).toBe(10);
  });

  it("stops new work at the first failure, waits for what runs, and throws it", async () => {
    const begun: number[] = [];
    let isSlowOver = false;
    const work = mapPool([0, 1, 2, 3, 4, 5], 2, async (item) => {
      begun.push(item);
      if (item === 1) throw new Error("first");
      await systemClock.sleep(20);
      isSlowOver = true;
      throw new Error("second");
    });
    await expect(work).rejects.toThrow("first");
    expect(isSlowOver).toBe(true);
    expect(begun).toEqual([0, 1]);
  });

  it("waits for what runs when the sequence itself fails", async () => {
    let isOver = false;
    function* items() {
      yield 1;
      throw new Error("no more items");
    }
    const work = mapPool(items(), 2, async () => {
      await systemClock.sleep(10);
      isOver = true;
    });
    await expect(work).rejects.toThrow("no more items");
    expect(isOver).toBe(true);
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses a limit of %d", async (limit) => {
    await expect(mapPool([1], limit, async () => 1)).rejects.toThrow(RangeError);
  });

  it("gives nothing for nothing", async () => {
    expect(await mapPool([], 1, async () => 1)).toEqual([]);
  });
});
