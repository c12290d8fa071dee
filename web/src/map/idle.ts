/** Who was on the map before and is not now: shown as outlines, where that is asked for. */

import type { MapNode, Scene } from "./scene";

/** So many are remembered: those seen last. */
const MOST = 500;

export class Past {
  private readonly seen = new Map<number, MapNode>();

  /** Of another question nobody is idle who is merely not asked for. */
  forget(): void {
    this.seen.clear();
  }

  note({ nodes }: Scene): void {
    for (const node of nodes) {
      this.seen.delete(node.id);
      this.seen.set(node.id, node);
    }
    for (const id of this.seen.keys()) {
      if (this.seen.size <= MOST) break;
      this.seen.delete(id);
    }
  }

  /** The scene with those that were seen before and are not now. */
  with(scene: Scene): Scene {
    const gone = [...this.seen.values()].filter((node) => !scene.nodeById.has(node.id));
    if (!gone.length) return scene;
    const idle = gone.map((node) => ({ ...node, rateIn: 0, rateOut: 0, drops: 0, errors: 0, idle: true }));
    const nodes = [...scene.nodes, ...idle];
    return { ...scene, nodes, nodeById: new Map(nodes.map((node) => [node.id, node])) };
  }
}
