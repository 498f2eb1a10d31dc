import { ApiError } from "../api.ts";
import { text } from "../text.ts";
import { Failed } from "./failed.tsx";
import { useLoaded } from "./loaded.ts";
import { TopBar } from "./topbar.tsx";

/** Nobody but an admin loads what only admins use. */
async function loadAdmin() {
  try {
    return await import("../admin/admin.tsx");
  } catch (error) {
    throw new ApiError(0, "OFFLINE", String(error));
  }
}

export function AdminDoor() {
  const { value, refusal, reload } = useLoaded(loadAdmin);
  if (value) return <value.AdminPage />;
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow" aria-busy={!refusal}>
        {refusal ? <Failed refusal={refusal} onRetry={reload} /> : <p class="opening">{text.account.loading}</p>}
      </main>
    </>
  );
}
