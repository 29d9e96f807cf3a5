export type { Extent, Reader, ReadOptions, Records, Repository, WriteOptions, Writer, Written } from "./contract.ts";
