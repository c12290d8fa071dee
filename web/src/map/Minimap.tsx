/** All of a large map, small, and the part of it that is seen; a click or a drag there moves the view. */

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Box, Camera } from "./camera";
import { NODE_H, NODE_W } from "./cards";
import type { MapModel } from "./model";
import { abnormalNode } from "./scene";
import { palette } from "./style";

/** Shown from so many nodes on. */
export const MINIMAP_FROM = 60;
const [W, H] = [180, 120];

/** All of a box, however large it is. */
function whole({ x, y, w, h }: Box): Camera {
  const k = Math.min(W / w, H / h);
  return { x: x - (W / k - w) / 2, y: y - (H / k - h) / 2, k };
}

export function Minimap({ model }: { model: MapModel }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const seen = useRef<HTMLDivElement>(null);
  const drawn = useRef<unknown>(null);
  const camera = useRef({ x: 0, y: 0, k: 1 });
  const isLarge = model.scene.value.nodes.length > MINIMAP_FROM;

  const nodes = (): void => {
    const ctx = canvas.current?.getContext("2d");
    if (!ctx) return;
    const p = palette();
    camera.current = whole(model.bounds());
    const { x, y, k } = camera.current;
    const [w, h] = [Math.max(2, NODE_W * k), Math.max(1.5, NODE_H * k)];
    ctx.clearRect(0, 0, W, H);
    for (const node of model.scene.peek().nodes) {
      const at = model.places.get(node.id);
      if (!at) continue;
      ctx.fillStyle = abnormalNode(node) ? p.verdicts[2] : p.dim;
      ctx.fillRect((at[0] - x) * k, (at[1] - y) * k, w, h);
    }
  };

  useSignalEffect(() => {
    model.changed.value;
    // the drawing is another one where nodes or places changed; while the map is moved it stays
    if (model.drawing !== drawn.current || !canvas.current) nodes();
    drawn.current = model.drawing;
    if (!seen.current) return;
    const { x, y, k } = camera.current;
    const view = model.view();
    seen.current.style.transform = `translate(${(view.x - x) * k}px, ${(view.y - y) * k}px)`;
    seen.current.style.width = `${view.w * k}px`;
    seen.current.style.height = `${view.h * k}px`;
  });

  const move = (event: PointerEvent): void => {
    if (!(event.buttons & 1)) return;
    const at = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const { x, y, k } = camera.current;
    model.centre((event.clientX - at.left) / k + x, (event.clientY - at.top) / k + y);
  };

  if (!isLarge) return null;
  return (
    <div
      class="minimap"
      aria-hidden="true"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        move(event);
      }}
      onPointerMove={move}
    >
      <canvas
        ref={(made) => {
          canvas.current = made;
          if (made) nodes();
        }}
        width={W}
        height={H}
      />
      <div ref={seen} />
    </div>
  );
}
