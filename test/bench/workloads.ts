/**
 * The workloads by name, and the stories that measure them: one disk's life in one repository, of which each step belongs to a workload. A
 * story runs as far as the wanted workloads need it; a new workload is a step of a story, or a story of its own.
 */

import { join } from "node:path";
import type { Cost } from "./figures.ts";
import { type GeneratedImage, generateImage, type PROFILES } from "./image.ts";
import { MUTATORS, type MutatorName, mutate } from "./mutate.ts";
import type { OpenSystem } from "./system.ts";

export const WORKLOADS: Readonly<Record<string, string>> = {
  W1: "first full backup, of every disk profile",
  W2: "the same disk again, unchanged",
  W3: "the next generation, 1 % changed: in runs, in blocks of 64 KiB, in single pages anywhere",
  W6: "restore of the newest generation, its bytes hashed",
};

interface Step {
  /** Such as `W1/vm-base`. */
  readonly workload: string;
  readonly image: GeneratedImage;
  run(system: OpenSystem): Promise<Cost>;
}

export interface Story {
  readonly name: string;
  readonly image: GeneratedImage;
  readonly steps: readonly Step[];
}

const LIVES = "vm-base";
const ONLY_FIRST: readonly (keyof typeof PROFILES)[] = ["brief-40", "vm-db", "vm-media"];

/** The stories of the wanted workloads (`W1`), with images of that size kept in `cache`. */
export function storiesOf(wanted: ReadonlySet<string>, sizeBytes: number, cache: string): Story[] {
  const seed = "1";
  const generated = (profile: keyof typeof PROFILES) =>
    generateImage({ file: join(cache, `${profile}-${seed}-${sizeBytes}.raw`), profile, seed, sizeBytes });
  const backup = (workload: string, image: GeneratedImage): Step => ({ workload, image, run: (system) => system.backup(image) });

  const first = generated(LIVES);
  const life = [backup(`W1/${LIVES}`, first), backup(`W2/${LIVES}`, first)];
  let image = first;
  for (const mutator of Object.keys(MUTATORS) as MutatorName[]) {
    image = mutate(image, mutator, join(cache, `${LIVES}-${seed}-${sizeBytes}-${mutator}.raw`), seed);
    life.push(backup(`W3/${mutator}`, image));
  }
  const newest = image;
  life.push({ workload: `W6/${LIVES}`, image: newest, run: (system) => system.restore(newest) });

  const isWanted = (step: Step) => wanted.has(step.workload.replace(/\/.*/, ""));
  const lastWanted = life.findLastIndex(isWanted);
  const others = wanted.has("W1") ? ONLY_FIRST.map((profile) => ({ profile, image: generated(profile) })) : [];
  return [
    ...(lastWanted < 0 ? [] : [{ name: LIVES, image: first, steps: life.slice(0, lastWanted + 1) }]),
    ...others.map(({ profile, image: only }) => ({ name: profile, image: only, steps: [backup(`W1/${profile}`, only)] })),
  ];
}
