import { useEffect } from "preact/hooks";
import { CreateRoom } from "../components/create.tsx";
import { JoinForm } from "../components/joinform.tsx";
import { LivelyRooms } from "../components/roomlist.tsx";
import { Scene } from "../components/scene.tsx";
import { TopBar } from "../components/topbar.tsx";
import { text } from "../text.ts";

export function HomePage() {
  useEffect(() => {
    document.title = `${text.brand} · ${text.home.title}`;
  }, []);
  return (
    <>
      <TopBar />
      <main id="main" tabIndex={-1} class="home">
        <section class="hero">
          <div class="hero-words">
            <h1>{text.home.title}</h1>
            <p class="lead">{text.home.lead}</p>
            <ul class="promises">
              {text.home.features.map((feature) => (
                <li key={feature}>{feature}</li>
              ))}
            </ul>
          </div>
          <Scene />
        </section>
        <div class="home-columns">
          <CreateRoom />
          <div class="stack wide">
            <JoinForm />
            <section class="card stack" aria-labelledby="rooms-heading">
              <h2 id="rooms-heading">{text.rooms.heading}</h2>
              <LivelyRooms />
            </section>
          </div>
        </div>
      </main>
    </>
  );
}
