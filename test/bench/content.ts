/**
 * Bytes of one class, as real disks hold them: random, compressible (about 2:1 under zstd level 1 in 64 KiB), text.
 *
 * The compressible class is a made-up LZ sequence rather than dictionary words: literals of a skewed 64-symbol alphabet and matches at
 * log-uniform distances, so that a compressor works as hard as on program files and database pages.
 */

import { Xoshiro } from "./xoshiro.ts";

const ALPHABET = 64;
const ZIPF_EXPONENT = 0.8;
const MATCH_PROBABILITY = 0.05;
const MATCH_BYTES_MIN = 4;
const MATCH_BYTES_MEAN = 14;
const MATCH_DISTANCE_MAX = 32_768;
const VOCABULARY = 2_048;

export function fillRandom(out: Buffer, random: Xoshiro): void {
  const words = out.length & ~3;
  for (let i = 0; i < words; i += 4) out.writeUInt32LE(random.next(), i);
  for (let i = words; i < out.length; i++) out[i] = random.next();
}

/** Index by Zipf's law: a table of 4,096 draws, which is close enough and fast. */
function zipfTable(symbols: number): Uint16Array {
  const weights = Array.from({ length: symbols }, (_, rank) => (rank + 1) ** -ZIPF_EXPONENT);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const table = new Uint16Array(4_096);
  let [symbol, reached] = [0, (weights[0] ?? 0) / total];
  for (let i = 0; i < table.length; i++) {
    while (i / table.length >= reached && symbol < symbols - 1) {
      symbol += 1;
      reached += (weights[symbol] ?? 0) / total;
    }
    table[i] = symbol;
  }
  return table;
}

const LITERALS = zipfTable(ALPHABET);
const WORDS = zipfTable(VOCABULARY);

export function fillCompressible(out: Buffer, random: Xoshiro): void {
  const alphabet = new Uint8Array(ALPHABET);
  for (let i = 0; i < ALPHABET; i++) alphabet[i] = random.next();
  const distanceBits = Math.log(MATCH_DISTANCE_MAX);
  let at = 0;
  while (at < out.length) {
    if (at > 0 && random.fraction() < MATCH_PROBABILITY) {
      const extra = Math.floor(-Math.log(1 - random.fraction()) * (MATCH_BYTES_MEAN - MATCH_BYTES_MIN));
      const length = Math.min(MATCH_BYTES_MIN + extra, out.length - at);
      const distance = Math.min(at, 1 + Math.floor(Math.exp(random.fraction() * distanceBits)));
      for (let i = 0; i < length; i++) out[at + i] = out[at + i - distance] ?? 0;
      at += length;
    } else {
      out[at++] = alphabet[LITERALS[random.next() & 4_095] ?? 0] ?? 0;
    }
  }
}

const words = new Map<string, readonly Buffer[]>();

/** Words of 2 to 11 letters, the frequent ones short; the vocabulary is the image's. */
function vocabularyOf(label: string): readonly Buffer[] {
  const known = words.get(label);
  if (known !== undefined) return known;
  const random = new Xoshiro(`words/${label}`);
  const made = Array.from({ length: VOCABULARY }, (_, rank) => {
    const length = 2 + random.below(3 + Math.floor(Math.log2(rank + 1) / 1.6));
    return Buffer.from(`${Array.from({ length }, () => String.fromCharCode(97 + random.below(26))).join("")} `);
  });
  words.set(label, made);
  return made;
}

export function fillText(out: Buffer, random: Xoshiro, label: string): void {
  const vocabulary = vocabularyOf(label);
  let at = 0;
  while (at < out.length) at += vocabulary[WORDS[random.next() & 4_095] ?? 0]?.copy(out, at) ?? 1;
}
