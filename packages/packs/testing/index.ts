export { objectBucketSuite } from "./bucket-suite.ts";
export { S3_TEST_CREDENTIALS, type S3Server, startS3Server } from "./s3-server.ts";
export { type OpenedPacks, packStoreSuite } from "./suite.ts";
