export { CONTENT_SIZES, type ContentSizes, contentCutter, gearTable } from "./content.ts";
export type { Cutter } from "./cutter.ts";
export { fixedCutter } from "./fixed.ts";
