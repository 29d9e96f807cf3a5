import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { type GeneratedImage, generateImage } from "./image.ts";
import { type MutatorName, mutate } from "./mutate.ts";

const directory = mkdtempSync(join(tmpdir(), "permafrost-bench-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const base = () => generateImage({ file: join(directory, "base"), profile: "vm-db", seed: "1", sizeBytes: 16 << 20 });

/** Pages of 4 KiB that differ. */
function changed(a: GeneratedImage, b: GeneratedImage): number[] {
  const [before, after] = [readFileSync(a.file), readFileSync(b.file)];
  return Array.from({ length: before.length / 4096 }, (_, page) => page).filter(
    (page) => !before.subarray(page * 4096, (page + 1) * 4096).equals(after.subarray(page * 4096, (page + 1) * 4096)),
  );
}

it.each<[MutatorName, number, number]>([
  ["M1-cluster", 41, 8],
  ["M1-64k", 48, 3],
  ["M1-rand4k", 41, 41],
])("%s changes one in a hundred: %i pages, in at most %i places", (mutator, pages, places) => {
  const image = base();
  const next = mutate(image, mutator, join(directory, mutator), "1");
  const found = changed(image, next);
  expect(found).toHaveLength(pages);
  expect(found.filter((page) => !found.includes(page - 1)).length).toBeLessThanOrEqual(places);
  expect(next.sizeBytes).toBe(image.sizeBytes);
  expect(mutate(image, mutator, join(directory, `${mutator}-again`), "1").sha256).toBe(next.sha256);
});
