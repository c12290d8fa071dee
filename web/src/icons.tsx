/** The few icons, drawn here: no font, no file, no emoji. */

const PATHS: Record<string, string> = {
  close: "M4 4l8 8M12 4l-8 8",
  lock: "M4 7.5h8v5.5H4zM5.5 7.5V5.5a2.5 2.5 0 0 1 5 0v2",
  copy: "M6 6h7v7H6zM3 10V3h7",
  link: "M7 9l2-2M6 7L4.5 8.5a2 2 0 0 0 3 3L9 10M7 6l1.5-1.5a2 2 0 0 1 3 3L10 9",
  pause: "M5.5 4v8M10.5 4v8",
  play: "M5 3.5l7 4.5-7 4.5z",
  theme: "M8 3a5 5 0 1 0 0 10zM8 3a5 5 0 0 1 0 10",
  up: "M8 13V4M4 7.5L8 3.5l4 4",
  down: "M8 3v9M4 8.5l4 4 4-4",
  back: "M10 3.5L5.5 8l4.5 4.5",
  plus: "M8 3.5v9M3.5 8h9",
  minus: "M3.5 8h9",
};

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" width="14" height="14" viewBox="0 0 16 16" aria-hidden="true">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.6"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
