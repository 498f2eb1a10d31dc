/** Failures in words for a person. */

import { ApiError } from "./api.ts";
import { text } from "./text.ts";

export function explain(error: unknown): string {
  if (!(error instanceof ApiError)) return text.errors.other(error instanceof Error ? error.message : String(error));
  if (error.status === 0) return text.errors.offline;
  if (error.status === 429) return text.errors.rateLimited(error.waitS);
  if (error.status === 503) return text.errors.busy;
  return text.errors.other(error.message);
}
