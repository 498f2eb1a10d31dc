import { useEffect } from "preact/hooks";
import { FilterBar } from "../components/filters.tsx";
import { OwnRooms } from "../components/ownrooms.tsx";
import { RoomList, useListing } from "../components/roomlist.tsx";
import { TopBar } from "../components/topbar.tsx";
import { announce } from "../announce.ts";
import { filtersIn, isNarrow, pathOf } from "../filters.ts";
import type { Filters } from "../rooms.ts";
import { replace, search } from "../router.ts";
import type { Listing } from "../store/listing.ts";
import { text } from "../text.ts";

const PAGE = 24;

/** All public rooms. The address says what they are narrowed to, so that it can be shared. */
export function RoomsPage() {
  const filters = filtersIn(search.value);
  const listing = useListing(filters, PAGE);
  const narrow = (next: Filters): void => replace(pathOf(next));
  useEffect(() => {
    document.title = `${text.rooms.title} · ${text.brand}`;
  }, []);
  useFound(listing);
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="rooms stack">
        <div class="heading-row">
          <div>
            <h1>{text.rooms.heading}</h1>
            <p class="note">{text.rooms.lead}</p>
          </div>
          <a class="button primary" href="/" data-local>
            {text.create.heading}
          </a>
        </div>
        <OwnRooms />
        <FilterBar value={filters} onChange={narrow} />
        <RoomList listing={listing} empty={<Nothing filters={filters} />} onTag={(tag) => narrow({ ...filters, tag })} />
      </main>
    </>
  );
}

/** Who does not see the list hears how long it is. */
function useFound(listing: Listing): void {
  const state = listing.state.value;
  const count = listing.rooms.value.length;
  useEffect(() => {
    if (state === "ready") announce(count === 0 ? text.rooms.none : text.rooms.found(count, listing.hasMore.peek()));
  }, [state, count]);
}

function Nothing({ filters }: { filters: Filters }) {
  if (!isNarrow(filters)) return <p class="empty">{text.rooms.empty}</p>;
  return (
    <div class="empty nothing" data-testid="no-rooms">
      <h2>{text.rooms.none}</h2>
      <p>{text.rooms.noneHint}</p>
    </div>
  );
}
