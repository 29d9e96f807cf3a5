import { numbers } from "@permafrost/std/testing";
import { expect, it } from "vitest";
import { IdSet } from "./id-set.ts";

it("has its ids until they are taken away, at both ends and where many begin alike", () => {
  const next = numbers(3);
  const all = [Buffer.alloc(32), Buffer.alloc(32, 0xff), ...Array.from({ length: 3000 }, () => Buffer.alloc(32))];
  for (const id of all.slice(2)) for (let at = next(2) * 2; at < 32; at++) id[at] = next(256);
  const ids = [...new Map(all.map((id) => [id.toString("hex"), id])).values()].sort(Buffer.compare);
  const [inside, outside] = [ids.filter((_, n) => n % 3 !== 1), ids.filter((_, n) => n % 3 === 1)];
  const set = new IdSet(Buffer.concat(inside));
  expect(set.size).toBe(inside.length);
  for (const id of inside) if (!set.has(id)) expect.fail(id.toString("hex"));
  for (const id of outside) if (set.has(id) || set.delete(id) || set.held(id)) expect.fail(id.toString("hex"));
  const gone = inside.filter((_, n) => n % 2 === 0);
  for (const id of gone) expect([set.delete(id), set.delete(id), set.has(id), set.held(id)]).toEqual([true, false, false, true]);
  expect([...set].map((id) => id.toString("hex"))).toEqual(inside.filter((_, n) => n % 2 === 1).map((id) => id.toString("hex")));
  expect(set.size).toBe(inside.length - gone.length);
  expect([...new IdSet(Buffer.alloc(0))]).toEqual([]);
});
