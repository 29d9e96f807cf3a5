import { expect, test } from "vitest";
import { formatBytes, formatDuration, formatRate, formatTime } from "./amounts.ts";

test.each([
  [0, "0 B"],
  [1023, "1.0 KiB"],
  [999, "999 B"],
  [1536, "1.5 KiB"],
  [10_239, "10 KiB"],
  [1_048_576n, "1.0 MiB"],
  [1_073_741_823, "1.0 GiB"],
  [5_497_558_138_880n, "5.0 TiB"],
  [2n ** 70n, "1048576 PiB"],
])("%s bytes read %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, "0.0s"],
  [9_949, "9.9s"],
  [9_950, "10s"],
  [59_600, "1m 00s"],
  [125_000, "2m 05s"],
  [7_620_000, "2h 07m"],
  [273_600_000, "3d 04h"],
])("%s ms read %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("rates and times", () => {
  expect(formatRate(12.4 * 1024 * 1024)).toBe("12 MiB/s");
  expect(formatTime(new Date("2026-11-23T17:00:08.999Z"))).toBe("2026-11-23 17:00:08");
});
