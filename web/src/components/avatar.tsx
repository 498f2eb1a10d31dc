import { hueOf, initialsOf } from "../format.ts";

/** Initials on a colour that belongs to the person's id. Decorative: the name stands beside it. */
export function Avatar({ id, name }: { id: string; name: string }) {
  return (
    <span class="avatar" style={{ "--hue": String(hueOf(id)) }} aria-hidden="true">
      {initialsOf(name)}
    </span>
  );
}
