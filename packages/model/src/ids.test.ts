import { expect, it } from "vitest";
import { BLOCK_BYTES_MAX, DISK_BLOCK_BYTES, IDS_PER_REQUEST_MAX, MESSAGE_BYTES, SEAL_OVERHEAD_BYTES_MAX } from "./block-size.ts";
import { BLOCK_ID_BYTES, resourceKeyText } from "./ids.ts";

it("writes a resource as type and id", () => {
  expect(resourceKeyText({ type: "cinder.volume", id: "0a/b" })).toBe("cinder.volume/0a/b");
});

it("has sizes that fit each other", () => {
  expect(BLOCK_BYTES_MAX % DISK_BLOCK_BYTES).toBe(0);
  // The largest block and a full request of ids both stay under gRPC's default of 4 MiB.
  expect(BLOCK_BYTES_MAX + SEAL_OVERHEAD_BYTES_MAX + MESSAGE_BYTES).toBeLessThan(4 * 1024 * 1024);
  expect(IDS_PER_REQUEST_MAX * (BLOCK_ID_BYTES + 8)).toBeLessThan(MESSAGE_BYTES);
});
