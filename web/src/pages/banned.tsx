import { type Ban, ban } from "../ban.ts";
import { EndingCard } from "../components/ending.tsx";
import { TopBar } from "../components/topbar.tsx";
import { fullTimeOf } from "../format.ts";
import { navigate } from "../router.ts";
import { text } from "../text.ts";

/** In place of any page, once the server has told somebody that they are kept out. */
export function BannedPage({ until, reason }: Ban) {
  const goOn = (): void => {
    ban.value = null;
    navigate("/");
  };
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="narrow">
        <EndingCard what="ban" detail={text.ending.ban.sentence(until === null ? null : fullTimeOf(until), reason)} onAction={goOn} />
      </main>
    </>
  );
}
