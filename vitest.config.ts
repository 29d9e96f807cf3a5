import { defineConfig } from "vitest/config";

// Forks, not threads: native addons and child processes are the subject of many tests. Two workers: the reference machine has two cores.
export default defineConfig({
  test: {
    include: ["packages/**/*.test.ts", "services/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/lab/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
