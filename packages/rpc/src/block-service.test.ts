import { memoryBlockStore } from "@permafrost/blocks";
import { testBlock, testScope } from "@permafrost/blocks/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blockService } from "./block-service.ts";
import type { PutRequest } from "./gen/permafrost/block/v1/block.ts";
import { PUTS_IN_FLIGHT_MAX } from "./limits.ts";

describe("a Put stream at the server", () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  beforeEach(() => {
    unhandled.length = 0;
    process.on("unhandledRejection", note);
  });
  afterEach(() => void process.off("unhandledRejection", note));

  it("that breaks while as many puts run as may ends with that error, which nobody else sees", async () => {
    const gate = Promise.withResolvers<void>();
    const memory = memoryBlockStore();
    const store: typeof memory = {
      ...memory,
      put: async (scope, blocks) => {
        await gate.promise;
        await memory.put(scope, blocks);
      },
    };
    async function* requests(): AsyncGenerator<PutRequest> {
      for (let i = 1; i <= PUTS_IN_FLIGHT_MAX; i++) {
        yield { scope: testScope(), sequence: BigInt(i), blocks: [testBlock(i)] };
      }
      throw new Error("the connection is gone");
    }
    const { put } = blockService(store).implementation as unknown as {
      put(requests: AsyncIterable<PutRequest>): AsyncIterable<{ sequence: bigint }>;
    };
    const ended = (async () => {
      for await (const _ of put(requests()));
    })();
    await new Promise((resolve) => setTimeout(resolve, 20));
    gate.resolve();
    await expect(ended).rejects.toThrow("the connection is gone");
    expect(unhandled).toEqual([]); // it would end the service
  });
});
