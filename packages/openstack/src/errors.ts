/**
 * The codes this package raises, in one place, so that the tables which map codes to gRPC and exit codes can be
 * tested for completeness. Facts of an HTTP failure: method, url (query secrets blanked), status, requestId, message.
 */

export const OPENSTACK_ERROR_CODES = [
  /** No such cloud in the configuration; facts: name, known, file. */
  "CLOUD_UNKNOWN",
  /** The configuration cannot be used; facts: name, field, file. */
  "CLOUD_CONFIG_INVALID",
  /** Keystone, or a service twice in a row, refused the credential. */
  "AUTH_FAILED",
  /** The credential is good but the project does not exist for it. */
  "PROJECT_UNKNOWN",
  /** The catalog has no endpoint of that type, region and interface. */
  "SERVICE_MISSING",
  /** Any other refusal by a service. */
  "CLOUD_HTTP",
  "NOT_FOUND",
  "CONFLICT",
  "FORBIDDEN",
  /** A quota is used up: final until somebody frees or raises it. */
  "QUOTA_EXCEEDED",
  /** The service limits our rate and still did after our retries, or asks for a longer wait than we accept. */
  "OVER_LIMIT",
  /** No connection, or it broke, or it timed out. */
  "CLOUD_UNREACHABLE",
  /** The request may have been applied: list and adopt before sending it again. */
  "OUTCOME_UNKNOWN",
  /** An answer that is no answer of OpenStack: HTML, a redirect, broken JSON, missing fields. */
  "BAD_RESPONSE",
  /** A listing came back to a page it had already given, or has more pages than allowed. */
  "PAGINATION_LOOP",
  /** The marker of a listing vanished while we paged: list again. */
  "LIST_CHANGED",
  /** Fewer bytes than announced, after all attempts to go on. */
  "DOWNLOAD_TRUNCATED",
  /** All bytes came, and they are not what the service's hash says. */
  "HASH_MISMATCH",
  /** The object was replaced or removed while it was read. */
  "SOURCE_CHANGED",
  /** The object entered a state from which the wanted one is not reached; facts: kind, id, status, wanted. */
  "RESOURCE_STATE",
  /** The wanted state was not reached within the deadline. */
  "WAIT_TIMEOUT",
] as const;

export type OpenStackErrorCode = (typeof OPENSTACK_ERROR_CODES)[number];
