export { type Placement, type PlacementNode, place, placementOver } from "./placement.ts";
