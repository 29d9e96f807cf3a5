import { expect, test } from "vitest";
import { resource, session } from "../../testing/fake-cluster.ts";
import { FakeClock, FakeOutput } from "../../testing/fake-context.ts";
import { PLAIN_LINE_MS, ProgressDisplay, REDRAW_MS } from "./display.ts";
import { ProgressModel, RESOURCE_LINES_MAX } from "./model.ts";

const MIB = 1024n * 1024n;
const running = (done: bigint) =>
  session({ state: "running", phase: "stream", succeeded: 1, resources: 4, bytesTotal: 1000n * MIB, bytesDone: done });
const volume = (id: string, done: bigint) =>
  resource({ id, name: `disk ${id}`, state: "running", bytesTotal: 400n * MIB, bytesDone: done });

test("the session's line has share, amount, rate, ETA and counts", () => {
  const model = new ProgressModel(0);
  expect(model.sessionLine(300)).toBe("starting  0.3s");
  model.update(running(0n), [], 1000);
  model.update(running(100n * MIB), [volume("v1", 50n * MIB)], 3000);
  expect(model.sessionLine(3000)).toBe(
    "backup 20261123T170000Z-0a1b2c3d  stream  10%  100 MiB of 1.0 GiB  50 MiB/s  ETA 18s  1/4 resources  3.0s",
  );
});

test("the rate is that of the last ten seconds, and a stall shows", () => {
  const model = new ProgressModel(0);
  for (let second = 0; second <= 20; second++) model.update(running(BigInt(second) * 10n * MIB), [], second * 1000);
  expect(model.sessionLine(20_000)).toContain("10 MiB/s");
  expect(model.sessionLine(30_000)).toContain("5.0 MiB/s");
});

test("a stream without a known size shows its bytes and rate, and no share or ETA", () => {
  const model = new ProgressModel(0);
  const stream = (done: bigint) => resource({ type: "input.stream", id: "s", state: "running", bytesTotal: 0n, bytesDone: done });
  const unsized = session({ state: "running", phase: "stream", resources: 1, succeeded: 0, bytesTotal: 0n, bytesDone: 0n });
  model.update(unsized, [stream(0n)], 0);
  model.update(unsized, [stream(20n * MIB)], 2000);
  expect(model.sessionLine(2000)).toBe("backup 20261123T170000Z-0a1b2c3d  stream  20 MiB  10 MiB/s  0/1 resources  2.0s");
});

test("running resources have a line each, ended ones none, too many are counted", () => {
  const model = new ProgressModel(0);
  const many = Array.from({ length: RESOURCE_LINES_MAX + 3 }, (_, at) => volume(`v${at}`, 200n * MIB));
  model.update(running(0n), many, 0);
  expect(model.lines(0, 100)).toHaveLength(1 + RESOURCE_LINES_MAX + 1);
  expect(model.lines(0, 100)[1]).toBe("  cinder.volume disk v0  50%  200 MiB of 400 MiB");
  expect(model.lines(0, 100).at(-1)).toBe("  and 3 more");
  model.update(
    running(0n),
    many.map((one) => ({ ...one, state: "succeeded" })),
    0,
  );
  expect(model.lines(0, 100)).toHaveLength(1);
});

test("a terminal of 80 columns shows the ETA and the counts, without the session's id", () => {
  const model = new ProgressModel(0);
  model.update(running(0n), [], 0);
  model.update(running(100n * MIB), [], 2000);
  expect(model.lines(2000, 80)[0]).toBe("backup  stream  10%  100 MiB of 1.0 GiB  50 MiB/s  ETA 18s  1/4 resources  2.0s");
});

test("lines are cut to the terminal's width, and names cannot move the cursor", () => {
  const model = new ProgressModel(0);
  model.update(running(0n), [resource({ name: "a\u001b[5Ab", state: "running" })], 0);
  expect(model.lines(0, 30).map((line) => line.length)).toEqual([30, 25]);
  expect(model.lines(0, 30)[1]).toBe("  cinder.volume a\\x1b[5Ab");
});

test("a terminal is redrawn in place, at most five times a second", async () => {
  const [output, clock] = [new FakeOutput(true), new FakeClock({ auto: false })];
  const display = new ProgressDisplay(output, clock, false);
  for (let ms = 0; ms < 1000; ms += 20) {
    display.update(running(MIB), [volume("v1", MIB)]);
    await clock.advance(20);
  }
  expect(1000 / REDRAW_MS).toBe(5);
  expect(output.chunks).toHaveLength(5);
  expect(output.chunks[0]?.toString()).not.toContain("\u001b");
  // Two lines were drawn: up two, clear below.
  expect(output.chunks[1]?.toString().startsWith("\u001b[2A\r\u001b[J")).toBe(true);
  await display.note("A note.");
  expect(output.chunks.at(-1)?.toString()).toBe("\u001b[2A\r\u001b[JA note.\n");
  const before = output.chunks.length;
  await display.stop();
  await clock.advance(1000);
  expect(output.chunks).toHaveLength(before);
});

test("a pipe gets a plain line every thirty seconds", async () => {
  const [output, clock] = [new FakeOutput(false), new FakeClock({ auto: false })];
  const display = new ProgressDisplay(output, clock, false);
  display.update(running(MIB), []);
  await clock.advance(PLAIN_LINE_MS - 1);
  expect(output.text).toBe("");
  await clock.advance(1);
  await clock.advance(PLAIN_LINE_MS);
  await display.stop();
  expect(output.text.trimEnd().split("\n")).toHaveLength(2);
  expect(output.text).not.toContain("\u001b");
});

test("quiet shows notes only", async () => {
  const [output, clock] = [new FakeOutput(true), new FakeClock({ auto: false })];
  const display = new ProgressDisplay(output, clock, true);
  display.update(running(MIB), []);
  await clock.advance(60_000);
  await display.note("Cancelling.");
  await display.stop();
  expect(output.text).toBe("Cancelling.\n");
});
