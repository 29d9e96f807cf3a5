export { type ControlConnection, connectControl, connectInput, type InputConnection } from "./connect.ts";
