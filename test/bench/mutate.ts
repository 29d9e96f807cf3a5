/**
 * The next generation of an image: a copy with 1 % of it replaced by other compressible bytes. Where those are is what distinguishes the
 * mutators: in runs as a program writes (`M1-cluster`), in whole blocks (`M1-64k`), in single pages anywhere, the worst case (`M1-rand4k`).
 */

import { closeSync, constants, copyFileSync, openSync } from "node:fs";
import { fillCompressible } from "./content.ts";
import { filled, type GeneratedImage, keepImage, knownImage, writeAll } from "./image.ts";
import { Xoshiro } from "./xoshiro.ts";

const SHARE = 0.01;
const RUN_MEDIAN_BYTES = 256 * 1024;
const RUN_SIGMA = 1;

interface Extent {
  readonly at: number;
  readonly bytes: number;
}

/** Where an image of that size changes; never twice at one place. */
type Mutator = (sizeBytes: number, random: Xoshiro) => readonly Extent[];

const units =
  (unitBytes: number): Mutator =>
  (sizeBytes, random) => {
    const count = Math.floor(sizeBytes / unitBytes);
    const chosen = new Set<number>();
    while (chosen.size < Math.max(1, Math.round(count * SHARE))) chosen.add(random.below(count));
    return [...chosen].map((unit) => ({ at: unit * unitBytes, bytes: unitBytes }));
  };

const runs: Mutator = (sizeBytes, random) => {
  const pages = Math.floor(sizeBytes / 4096);
  const chosen = new Set<number>();
  const wanted = Math.max(1, Math.round(pages * SHARE));
  while (chosen.size < wanted) {
    const length = Math.max(1, Math.round((RUN_MEDIAN_BYTES * Math.exp(RUN_SIGMA * random.normal())) / 4096));
    const first = random.below(pages);
    for (let page = first; page < Math.min(first + length, pages) && chosen.size < wanted; page++) chosen.add(page);
  }
  return [...chosen].map((page) => ({ at: page * 4096, bytes: 4096 }));
};

export const MUTATORS = {
  "M1-cluster": runs,
  "M1-64k": units(65_536),
  "M1-rand4k": units(4_096),
} as const satisfies Readonly<Record<string, Mutator>>;

export type MutatorName = keyof typeof MUTATORS;

/** The image's next generation in `file`, or found there if it was made before. Everything follows from the image, the mutator and the seed. */
export function mutate(image: GeneratedImage, mutator: MutatorName, file: string, seed: string): GeneratedImage {
  const known = knownImage(file, image.sizeBytes);
  if (known !== undefined) return known;
  const random = new Xoshiro(`${mutator}/${seed}/${image.sha256}`);
  const next = `${file}.new`;
  copyFileSync(image.file, next, constants.COPYFILE_FICLONE);
  const fd = openSync(next, "r+");
  try {
    for (const { at, bytes } of MUTATORS[mutator](image.sizeBytes, random))
      writeAll(
        fd,
        filled(bytes, (out) => fillCompressible(out, random)),
        at,
      );
  } finally {
    closeSync(fd);
  }
  return keepImage(next, file, image.sizeBytes);
}
