/** An object of a cloud that may have gone: asking for it is no error then. */

import { CodedError } from "@permafrost/std";

/** Undefined for NOT_FOUND; other errors are thrown on. */
export async function ifThere<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (CodedError.is(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}
