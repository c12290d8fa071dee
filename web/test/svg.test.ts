import { expect, test } from "vitest";
import { escaped, SvgContext } from "../src/map/svg";
import type { Ctx } from "../src/map/text";

const ruler = { font: "", measureText: (text: string) => ({ width: text.length * 7 }) } as unknown as Ctx;

test("text from the network is text in XML, whatever it holds", () => {
  expect(escaped('<img src="x">&')).toBe("&lt;img src=&quot;x&quot;&gt;&amp;");
  expect(escaped("a\u0000b\u001bc\ud800d\u{1f600}\n")).toBe("a\ufffdb\ufffdc\ufffdd\u{1f600}\n");
});

test("lines, areas and words are drawn where a canvas draws them", () => {
  const svg = new SvgContext(ruler);
  svg.setTransform(2, 0, 0, 2, 10, 20);
  svg.strokeStyle = "#123456";
  svg.setLineDash([3, 1]);
  svg.beginPath();
  svg.moveTo(0, 0);
  svg.bezierCurveTo(1, 1, 2, 2, 3.333, 3);
  svg.stroke();
  svg.globalAlpha = 0.5;
  svg.fillStyle = "red";
  svg.fillRect(1, 2, 3, 4);
  svg.font = "600 12px system-ui";
  svg.textAlign = "center";
  svg.fillText("a < b", 1, 2);
  const text = svg.text(100, 50, "the <title>");
  expect(text).toContain('viewBox="0 0 100 50"><title>the &lt;title&gt;</title>');
  expect(text).toContain(
    '<path d="M10 20C12 22 14 24 16.67 26" fill="none" stroke="#123456" stroke-width="2" stroke-dasharray="6 2"/>',
  );
  expect(text).toContain('<rect x="12" y="24" width="6" height="8" fill="red" opacity="0.5"/>');
  expect(text).toContain('font-size="24" font-weight="600" text-anchor="middle" fill="red" opacity="0.5">a &lt; b</text>');
  expect(svg.measureText("four").width).toBe(28);
});

test("what is clipped is so until it is restored", () => {
  const svg = new SvgContext(ruler);
  svg.beginPath();
  svg.roundRect(0, 0, 10, 10, 2);
  svg.save();
  svg.clip();
  svg.fillRect(0, 0, 10, 10);
  svg.restore();
  svg.fillRect(0, 0, 1, 1);
  const lines = svg.text(10, 10, "").split("\n");
  expect(lines.filter((line) => line.startsWith("<rect")).map((line) => line.includes('clip-path="url(#c1)"'))).toEqual([
    true,
    false,
  ]);
});
