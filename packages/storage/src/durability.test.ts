import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

it("every test that DURABILITY.md names exists", () => {
  const page = readFileSync(new URL("../DURABILITY.md", import.meta.url), "utf8").replaceAll("\n", " ");
  const named = [...page.matchAll(/\*([a-z-]+)\*:\s+“([^”]+)”/g)];
  expect(named.length).toBeGreaterThan(20);
  const missing = named.filter(([, file, test = ""]) => {
    const source = readFileSync(new URL(`./${file}.test.ts`, import.meta.url), "utf8");
    return !source.includes(test);
  });
  expect(missing.map(([text]) => text)).toEqual([]);
});
