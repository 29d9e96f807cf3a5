export type { Bus, ClaimedJob, JobQueue, Lease, Table, TableEntry } from "./jobs.ts";
