import { describe, expect, it } from "vitest";
import { shown } from "../src/table/shown";

const LRM = "\u200e";

describe("a name that is shown", () => {
  it.each([
    ["shop/web → cart:80 · 3 ms …", "shop/web → cart:80 · 3 ms …"],
    ["支付服务 👩‍👩‍👧‍👦 การชำระเงิน Zürich", "支付服务 👩‍👩‍👧‍👦 การชำระเงิน Zürich"],
    ["a\u202eexe.txt", "a\\u202eexe.txt"],
    ["pay\u200bments\u2060\ufeff", "pay\\u200bments\\u2060\\ufeff"],
    ["\x1b[31m\x9b\x00", "\\x1b[31m\\x9b\\x00"],
    ["two\nlines\tand a tab", "two\nlines\tand a tab"],
  ])("%j", (text, told) => expect(shown(text)).toBe(told));

  it("ends its direction with it", () => {
    expect(shown("GET /שלום 200")).toBe(`GET /שלום${LRM} 200`);
    expect(shown("ns-שלום/מה-7d4b")).toBe(`ns-שלום${LRM}/מה${LRM}-7d4b`);
    expect(shown("ns\u200f(4020)")).toBe(`ns\u200f${LRM}(4020)`);
  });

  it("is left whole", () => {
    for (const text of ["مرحبا-بالعالم", "שלום.עולם", "שָׁלוֹם"]) expect(shown(text)).toBe(text + LRM);
  });
});
