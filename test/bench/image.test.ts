import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { generateImage, sha256OfFile } from "./image.ts";

const directory = mkdtempSync(join(tmpdir(), "permafrost-bench-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const make = (name: string) => generateImage({ file: join(directory, name), profile: "vm-base", seed: "1", sizeBytes: 16 << 20 });

it("makes the same bytes on every machine", () => {
  const image = make("a");
  expect(image.sha256).toBe("2658b0e8fb2ff195425070a26c3e6af7f82f7f71c2d7c006b067d4fcdc6e4a01");
  expect(sha256OfFile(image.file)).toBe(image.sha256);
  expect(make("b").sha256).toBe(image.sha256);
});

it("finds an image it made before", () => {
  expect(make("a")).toEqual(make("a"));
});
