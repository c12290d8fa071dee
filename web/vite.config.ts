import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  build: {
    outDir: "../src/rubin/ui/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the policy of the page allows no data: URLs for scripts and styles
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  test: { include: ["test/**/*.test.ts"] },
});
