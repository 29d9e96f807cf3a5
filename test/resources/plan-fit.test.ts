/** What a plan says before anything is made of images and volumes that the target has no room for. */

import { afterEach, beforeEach, expect, it } from "vitest";
import { noise } from "../harness/tenant.ts";
import { TwoProjects } from "./two-projects.ts";

const MIB = 1024 * 1024;
let projects: TwoProjects;

beforeEach(async () => {
  projects = await TwoProjects.start();
});
afterEach(async () => await projects?.close());

it("a volume larger than any may be is named with the limit, however much room there is for all together", async () => {
  const { seed, volumes } = projects.fake;
  for (const [name, size] of [
    ["small", 2],
    ["large", 5],
  ] as const)
    seed.volume({ project: projects.sourceId, name, size });
  const { results } = await projects.backup(["cinder.volume"]);
  const problems = async () => (await projects.wholePlan([...results.values()])).problems;
  expect(await problems()).toEqual([]);
  volumes.quota(projects.targetId).per_volume_gigabytes = 4;
  expect(await problems()).toEqual([
    expect.objectContaining({
      code: "QUOTA_SHORT",
      message: "block-storage per_volume_gigabytes: the plan has one of 5, and 4 is the most",
      facts: { service: "block-storage", limit: "per_volume_gigabytes", needed: 5, used: 0, quota: 4 },
    }),
  ]);
  volumes.quota(projects.targetId).per_volume_gigabytes = 5;
  expect(await problems()).toEqual([]);
});

it("images are counted against Glance's unified limits, where it has them", async () => {
  const { seed, images } = projects.fake;
  await seed.image({ project: projects.targetId, name: "there", bytes: noise("there", MIB) });
  for (const name of ["one", "two"]) await seed.image({ project: projects.sourceId, name, bytes: noise(name, MIB + 1) });
  const { results } = await projects.backup(["glance.image"]);
  const own = [...results.values()].filter(({ name }) => name === "one" || name === "two");
  const problems = async () => (await projects.wholePlan(own)).problems;
  expect(await problems()).toEqual([]);
  images.limits = { image_size_total: 4, image_count_total: 3, image_stage_total: 0 };
  expect(await problems()).toEqual([
    expect.objectContaining({ facts: { service: "image", limit: "image_size_total", needed: 4, used: 1, quota: 4 } }),
  ]);
  images.limits = { image_size_total: 5, image_count_total: 2 };
  expect(await problems()).toEqual([
    expect.objectContaining({ facts: { service: "image", limit: "image_count_total", needed: 2, used: 1, quota: 2 } }),
  ]);
});
