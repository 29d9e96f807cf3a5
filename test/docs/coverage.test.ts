import { readFileSync } from "node:fs";
import { resourceTypes } from "@permafrost/protection";
import { describe, expect, it } from "vitest";
import { COVERAGE_FILE, coverageText } from "./coverage.ts";

describe("docs/coverage.md", () => {
  it("is what the code says: `npm run docs` writes it", () => {
    expect(readFileSync(COVERAGE_FILE, "utf8")).toBe(coverageText());
  });

  it("has a row for every resource type, with roles", () => {
    for (const { type, coverage } of resourceTypes) {
      expect(coverageText()).toContain(`| \`${type}\``);
      expect(coverage.roles.capture, type).not.toBe("");
      expect(coverage.captured, type).not.toEqual([]);
    }
  });
});
