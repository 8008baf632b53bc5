// Build of the control-room page. The output is committed (crates/web/dist), so names carry no hash
// and nothing in it may depend on the machine that built it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Packages whose code or fonts end up in the output; their notices travel with it. */
const SHIPPED = ["react", "react-dom", "scheduler", "uplot", "@fontsource/b612"];

function licences(): Plugin {
  return {
    name: "tieline-licences",
    apply: "build",
    generateBundle() {
      const parts = SHIPPED.map((name) => {
        const folder = new URL(`./node_modules/${name}/`, import.meta.url);
        const about = JSON.parse(readFileSync(fileURLToPath(new URL("package.json", folder)), "utf8")) as {
          version: string;
          license: string;
        };
        const text = readFileSync(fileURLToPath(new URL("LICENSE", folder)), "utf8");
        return `== ${name} ${about.version} (${about.license})\n\n${text.trim()}\n`;
      });
      this.emitFile({ type: "asset", fileName: "licences.txt", source: parts.join("\n\n") });
    },
  };
}

export default defineConfig({
  plugins: [react(), licences()],
  build: {
    outDir: "../crates/web/dist",
    emptyOutDir: true,
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: (asset) =>
          asset.names.some((name) => name.endsWith(".css")) ? "app.css" : "fonts/[name][extname]",
      },
    },
  },
  server: {
    proxy: { "/api": { target: "http://127.0.0.1:8080", ws: true } },
  },
  test: { environment: "happy-dom", include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
