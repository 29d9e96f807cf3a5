import { numbers } from "@permafrost/std/testing";
import { expect, it } from "vitest";
import { addSegment, compareSegments, cutPieces, endOf, type Piece, piecesWithin, type Segment } from "./segments.ts";

it("gives what a file would hold that is cut and appended to, in any history", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const next = numbers(seed);
    let file: string[] = [];
    const segments: Segment[] = [];
    for (let version = 1; version < 8; version++) {
      // Each owner cuts somewhere, then only appends.
      file = file.slice(0, next(file.length + 1));
      for (let appends = next(4); appends >= 0; appends--) {
        const sizeBytes = 1 + next(5);
        segments.push({ offset: file.length, version, sizeBytes });
        for (let i = 0; i < sizeBytes; i++) file.push(`${version}:${file.length}`);
      }
    }
    const pieces = segments.sort(compareSegments).reduce<Piece[]>((all, one) => addSegment(all, one), []);
    const bytes = pieces.flatMap(({ offset, end, version }) =>
      Array.from({ length: end - offset }, (_, i) => `${version}:${offset + i}`),
    );
    expect(bytes, `seed ${seed}`).toEqual(file);
    const [from, to] = [next(file.length + 1), next(file.length + 5)];
    const within = pieces.filter(({ offset, end }) => offset < to && end > from);
    expect(piecesWithin(pieces, from, to), `seed ${seed}`).toEqual(within);
  }
});

it("knows what no object has", () => {
  const pieces = addSegment(addSegment([], { offset: 0, version: 1, sizeBytes: 3 }), { offset: 5, version: 1, sizeBytes: 2 });
  expect(pieces).toMatchObject([{ end: 3 }, { offset: 3, end: 5, isHole: true }, { offset: 5, end: 7 }]);
  expect(endOf(cutPieces(pieces, 4))).toBe(4);
});
