/** The filters of the list of rooms, as the address of its page says them. */

import { type Filters, SIZES, SORTS, STATES } from "./rooms.ts";
import { query } from "./api.ts";
import { NO_FILTERS } from "./store/listing.ts";

const among = <T extends string>(known: readonly T[], value: string | null): T | undefined => known.find((one) => one === value);

/** What it does not know is not narrowed by. */
export function filtersIn(search: string): Filters {
  const values = new URLSearchParams(search);
  return {
    q: values.get("q") ?? "",
    language: values.get("language") ?? "",
    tag: values.get("tag") ?? "",
    size: among(SIZES, values.get("size")) ?? "",
    status: among(STATES, values.get("status")) ?? "",
    sort: among(SORTS, values.get("sort")) ?? NO_FILTERS.sort,
  };
}

/** Not all rooms are meant, in whichever order. */
export const isNarrow = (filters: Filters): boolean => pathOf(filters) !== pathOf({ ...NO_FILTERS, sort: filters.sort });

export const pathOf = (filters: Filters): string => `/rooms${query({ ...filters, sort: filters.sort === NO_FILTERS.sort ? "" : filters.sort })}`;
