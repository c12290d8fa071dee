import { describe, expect, test } from "vitest";
import { fitted, K_MAX, K_MIN, panned, shown, toScreen, toWorld, zoomed } from "../src/map/camera";

const camera = { x: 100, y: -50, k: 0.8 };

describe("the camera", () => {
  test("leads to the world and back", () => {
    const [x, y] = toWorld(camera, ...toScreen(camera, 321, 7));
    expect(x).toBeCloseTo(321);
    expect(y).toBeCloseTo(7);
  });

  test("keeps what is under the pointer when it comes nearer", () => {
    const before = toWorld(camera, 400, 300);
    for (const factor of [0.01, 0.5, 1.3, 100]) {
      const after = toWorld(zoomed(camera, factor, 400, 300), 400, 300);
      expect(after[0]).toBeCloseTo(before[0]);
      expect(after[1]).toBeCloseTo(before[1]);
    }
    expect(zoomed(camera, 1e6, 0, 0).k).toBe(K_MAX);
    expect(zoomed(camera, 1e-6, 0, 0).k).toBe(K_MIN);
  });

  test("moves as far as the pointer", () => {
    const [x, y] = toScreen(panned(camera, 30, -40), 0, 0);
    const [x0, y0] = toScreen(camera, 0, 0);
    expect([x - x0, y - y0]).toEqual([30, -40]);
  });

  test("shows all of a box in the middle", () => {
    const fit = fitted({ x: 0, y: 0, w: 4000, h: 1000 }, 1200, 700);
    const [left, top] = toScreen(fit, 0, 0);
    const [right, bottom] = toScreen(fit, 4000, 1000);
    expect(left).toBeGreaterThanOrEqual(27);
    expect(right).toBeLessThanOrEqual(1173);
    expect(top + bottom).toBeCloseTo(700);
    expect(fitted({ x: 0, y: 0, w: 0, h: 0 }, 10, 10).k).toBe(1);
  });

  test("moves no more than makes a box seen", () => {
    expect(shown({ x: 0, y: 0, k: 1 }, { x: 200, y: 200, w: 50, h: 50 }, 1000, 600)).toEqual({ x: 0, y: 0, k: 1 });
    expect(shown({ x: 0, y: 0, k: 1 }, { x: 2000, y: 200, w: 50, h: 50 }, 1000, 600).x).toBe(1090);
  });
});
