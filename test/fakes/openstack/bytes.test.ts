/** Sparse bytes behave as a plain buffer does, cost little, and clones are independent. */

import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { BLOCK_BYTES, SparseBytes } from "./bytes.ts";

describe("sparse bytes", () => {
  it("read as the buffer that took the same writes", () => {
    const plain = Buffer.alloc(5 * BLOCK_BYTES + 17);
    const sparse = new SparseBytes(plain.length);
    const writes: [number, number, number][] = [
      [0, 10, 1],
      [BLOCK_BYTES - 5, 10, 2],
      [3 * BLOCK_BYTES, BLOCK_BYTES, 3],
      [plain.length - 7, 7, 4],
      [BLOCK_BYTES, 2 * BLOCK_BYTES, 0],
    ];
    for (const [offset, length, value] of writes) {
      const bytes = Buffer.alloc(length, value);
      sparse.write(offset, bytes);
      bytes.copy(plain, offset);
    }
    expect(sparse.read().equals(plain)).toBe(true);
    expect(sparse.read(BLOCK_BYTES - 3, 9).equals(plain.subarray(BLOCK_BYTES - 3, BLOCK_BYTES + 6))).toBe(true);
    expect(sparse.read(plain.length - 3, 100)).toHaveLength(3);
  });

  it("keep a clone as it was, both ways", () => {
    const first = new SparseBytes(2 * BLOCK_BYTES);
    first.write(0, Buffer.from("one"));
    const second = first.clone();
    first.write(0, Buffer.from("two"));
    second.write(BLOCK_BYTES, Buffer.from("three"));
    expect([first.read(0, 3).toString(), second.read(0, 3).toString()]).toEqual(["two", "one"]);
    expect(first.read(BLOCK_BYTES, 5).equals(Buffer.alloc(5))).toBe(true);
  });

  it("hold a gibibyte in a few blocks, and zeros in none", () => {
    const disk = new SparseBytes(2 ** 30);
    disk.write(12_345_678, Buffer.from("data"));
    disk.write(500_000_000, Buffer.alloc(1_000_000));
    expect(disk.allocatedBytes).toBe(BLOCK_BYTES);
    expect(disk.clone().read(12_345_678, 4).toString()).toBe("data");
  });

  it("generate blocks, and let writes win over them", () => {
    const made = new SparseBytes(3 * BLOCK_BYTES, (index) => Buffer.alloc(10, index + 1));
    made.write(BLOCK_BYTES + 5, Buffer.from([9]));
    expect([...made.read(BLOCK_BYTES + 3, 4)]).toEqual([2, 2, 9, 2]);
    expect([...made.read(2 * BLOCK_BYTES + 9, 2)]).toEqual([3, 0]);
    made.write(0, Buffer.alloc(BLOCK_BYTES));
    expect(made.read(0, 10).equals(Buffer.alloc(10))).toBe(true);
  });

  it("grow with zeros and forget what was cut off", () => {
    const bytes = new SparseBytes(BLOCK_BYTES, () => Buffer.alloc(BLOCK_BYTES, 7));
    bytes.resize(10);
    bytes.resize(2 * BLOCK_BYTES);
    expect([...bytes.read(8, 4)]).toEqual([7, 7, 0, 0]);
    expect(bytes.read(BLOCK_BYTES, 4).equals(Buffer.alloc(4))).toBe(true);
  });

  it("have digests of what they hold now", async () => {
    const bytes = new SparseBytes(10_000_000);
    const before = (await bytes.digests()).md5;
    bytes.write(9_999_999, Buffer.from("x"));
    const after = await bytes.digests();
    expect(after.md5).not.toBe(before);
    expect(after.sha512).toBe(createHash("sha512").update(bytes.read()).digest("hex"));
  });
});
