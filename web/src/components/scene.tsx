/** The picture on the first page: a shared table under one clock. Decorative. */
export function Scene() {
  return (
    <svg class="scene" viewBox="0 0 360 240" aria-hidden="true" focusable="false">
      <path class="scene-window" d="M96 196V104c0-47 37.6-84 84-84s84 37 84 84v92Z" />
      <circle class="scene-track" cx="180" cy="104" r="52" />
      <circle class="scene-arc" cx="180" cy="104" r="52" pathLength="100" />
      <path class="scene-hands" d="M180 104V72M180 104l20 12" />
      <path class="scene-table" d="M24 196h312" />
      <g class="scene-things">
        <path d="M44 196v-22h52v22M50 174v-8h40v8" />
        <path d="M276 196v-24h28v24ZM304 177h7a6 6 0 0 1 0 12h-7" />
        <path class="scene-steam" d="M284 164c-4-5 4-8 0-14M296 164c-4-5 4-8 0-14" />
        <path d="M118 196l-4-10h32l-4 10M214 196v-8h36v8M218 188v-7h30v7" />
      </g>
    </svg>
  );
}
