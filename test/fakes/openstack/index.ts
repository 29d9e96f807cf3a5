/** The fake OpenStack for tests, demo and benchmarks: `startFakeCloud` and the types of what it gives. */

export { BLOCK_BYTES, type BlockGenerator, type Digests, SparseBytes } from "./bytes.ts";
export { type CloudEntry, type FakeCloud, type FakeCloudOptions, startFakeCloud } from "./cloud.ts";
export type { FaultAction, FaultHandle, FaultMatch, FaultRule, Faults } from "./faults.ts";
export type { Call, Reply } from "./http.ts";
export type { Image } from "./images.ts";
export type { Journal, JournalEntry, ResourceRef, ServiceName } from "./journal.ts";
export type { Content, Inspect, Seed, Tenant } from "./seed.ts";
export type { Container, SwiftObject } from "./swift-store.ts";
export type { Snapshot, Volume } from "./volumes.ts";
