// Starts the program under test and a browser, and asks the page the few things every test asks.
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const BIN = process.env.TIELINE_BIN;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const START_LIMIT_MS = 30_000;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** `tieline demo` on an empty data folder; resolves when both addresses were printed. */
export async function startCentre() {
  if (BIN === undefined) throw new Error("set TIELINE_BIN to the program under test");
  const data = mkdtempSync(join(tmpdir(), "tieline-e2e-"));
  const started = performance.now();
  const child = spawn(BIN, ["demo", "--listen", "127.0.0.1:0", "--data", data, "--seed", "1"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = [];
  child.stderr.on("data", (bytes) => printed.push(String(bytes)));
  const addresses = await new Promise((resolve, reject) => {
    const found = {};
    const limit = setTimeout(() => reject(new Error(`not started in time:\n${printed.join("")}`)), START_LIMIT_MS);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`ended with ${code}:\n${printed.join("")}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      printed.push(`${line}\n`);
      found.page ??= /https?:\/\/\S+\/#token=\S+/.exec(line)?.[0];
      found.twin ??= /^twin\s+(https?:\/\/\S+)/.exec(line)?.[1];
      if (found.page !== undefined && found.twin !== undefined) {
        clearTimeout(limit);
        resolve(found);
      }
    });
  });
  child.removeAllListeners("exit");
  const gone = new Promise((resolve) => child.once("exit", resolve));
  return {
    ...addresses,
    origin: new URL(addresses.page).origin,
    started,
    kill: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await gone;
    },
    clean: () => rmSync(data, { recursive: true, force: true }),
  };
}

/** A fault in the simulated field, by the program's own command. */
export async function injectFault(twin, ...fault) {
  await promisify(execFile)(BIN, ["twin", "inject", "--twin", twin, ...fault]);
}

export const startBrowser = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** A page that remembers every request, every breach of its policy and every error. */
export async function openPage(browser, theme) {
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 } });
  const page = await context.newPage();
  const seen = { requests: [], errors: [] };
  context.on("request", (request) => seen.requests.push(request.url()));
  page.on("websocket", (socket) => seen.requests.push(socket.url()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (message) => {
    // A call that is refused on purpose is logged by the browser itself and is not an error of the page.
    if (message.type() === "error" && !/Failed to load resource|WebSocket connection/.test(message.text())) seen.errors.push(message.text());
  });
  await page.addInitScript((wanted) => {
    localStorage.setItem("tieline.settings", JSON.stringify({ theme: wanted, zone: "utc", keys: true }));
  }, theme);
  return { page, seen };
}

export const id = (name) => `[data-testid="${name.replaceAll('"', '\\"')}"]`;

export const live = (page) => page.waitForSelector(`${id("conn-state")}[data-state="live"]`);

export async function visit(page, hash, ready) {
  await page.evaluate((wanted) => {
    location.hash = wanted;
  }, hash);
  await page.waitForSelector(ready);
}

/** A call of the HTTP API with the page's own session. */
export const ask = (page, path) =>
  page.evaluate(async (wanted) => {
    const response = await fetch(`/api/v1${wanted}`);
    if (!response.ok) throw new Error(`${wanted}: ${response.status}`);
    return response.json();
  }, path);

/** Violations of WCAG 2.2 A and AA, one line each. Evaluated by the debugger, so that the page's policy stays in force. */
export async function violations(page) {
  await page.evaluate(AXE);
  const result = await page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), WCAG);
  return result.violations.flatMap((v) => v.nodes.map((node) => `${v.id}: ${node.target.join(" ")} ${node.failureSummary ?? ""}`));
}

/** Elements of the frame whose content is larger than they are: a page that would scroll or be cut off. */
export const overflows = (page) =>
  page.evaluate(() =>
    [document.documentElement, document.body, ...document.querySelectorAll("#root, .shell, .head, main, .toolbar, .network, .network-main")]
      .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
      .map((e) => `${e.tagName}.${e.className}: ${e.scrollWidth}x${e.scrollHeight} in ${e.clientWidth}x${e.clientHeight}`),
  );
