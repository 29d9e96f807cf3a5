/**
 * What a pack's segment objects say together. Pure.
 *
 * Segments count in order of version, then offset: each cuts what is there at its own offset and goes on from there. So a pack is cut without
 * any object being changed, and what a writer of an earlier epoch adds late, behind a cut of a later one, says nothing.
 */

import type { SegmentKey } from "./object-keys.ts";

/** An object of a pack. */
export interface Segment extends SegmentKey {
  readonly sizeBytes: number;
}

/** The first `end - offset` bytes of a segment, in its place. */
export interface Piece extends SegmentKey {
  readonly end: number;
  /** No object has these bytes. */
  readonly isHole?: boolean;
}

export const compareSegments = (a: SegmentKey, b: SegmentKey) => a.version - b.version || a.offset - b.offset;

export const endOf = (pieces: readonly Piece[]) => pieces.at(-1)?.end ?? 0;

/** What stays of `pieces` when the pack is cut. */
export function cutPieces(pieces: readonly Piece[], sizeBytes: number): Piece[] {
  return pieces
    .filter(({ offset, end }) => offset < sizeBytes || (offset === sizeBytes && end === offset))
    .map((piece) => (piece.end > sizeBytes ? { ...piece, end: sizeBytes } : piece));
}

/** Adds the next segment, by that order. What lies between it and the end is a hole. */
export function addSegment(pieces: Piece[], { offset, version, sizeBytes }: Segment): Piece[] {
  const cut = offset < endOf(pieces) ? cutPieces(pieces, offset) : pieces;
  if (offset > endOf(cut)) cut.push({ offset: endOf(cut), version, end: offset, isHole: true });
  cut.push({ offset, version, end: offset + sizeBytes });
  return cut;
}

/** The parts of pieces that cover `offset` to `end`. */
export function piecesWithin(pieces: readonly Piece[], offset: number, end: number): Piece[] {
  // The first piece that ends behind `offset`: packs may have thousands.
  let [low, high] = [0, pieces.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pieces[middle] as Piece).end > offset) high = middle;
    else low = middle + 1;
  }
  const found: Piece[] = [];
  for (let i = low; i < pieces.length && (pieces[i] as Piece).offset < end; i++) found.push(pieces[i] as Piece);
  return found;
}
