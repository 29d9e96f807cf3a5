import { busSuite } from "../testing/suite.ts";
import { memoryBus } from "./memory.ts";

busSuite("memoryBus", async () => {
  const bus = memoryBus();
  return { bus, other: bus, stop: () => bus.close() };
});
