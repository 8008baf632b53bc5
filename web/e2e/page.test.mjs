// The page against the running program: real sockets, real field protocol, a real browser.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ask, id, injectFault, live, openPage, overflows, startBrowser, startCentre, violations, visit } from "./centre.mjs";

const FIRST_VALUE_MS = 3000;
const BANNER_MS = 2000;
const THEMES = ["dark", "light"];
const PAGES = [
  ["#/overview", id("estimation-state")],
  ["#/network", id("network-canvas")],
  ["#/network/substation/0", ".side h2"],
  ["#/network/branch/0", ".side h2"],
  ["#/alarms", ".table-scroll, .table-empty"],
  ["#/alarms/events", ".table-scroll, .table-empty"],
  ["#/alarms/groups", ".table-scroll, .table-empty"],
  ["#/alarms/shelved", ".table-scroll, .table-empty"],
  ["#/alarms/figures", '[data-testid="alarm-figures"]'],
  ["#/points", ".table-scroll"],
  ["#/trends/1/2", ".trend canvas"],
  ["#/commands", ".table-scroll, .table-empty"],
  ["#/commands/proposals", ".table-scroll, .table-empty"],
  ["#/switching", ".table-scroll, .table-empty"],
  ["#/system", id("sign-out")],
  ["#/system/account", id("set-password")],
  ["#/system/users", id("users")],
  ["#/system/roles", id("roles")],
  ["#/system/sessions", id("sessions")],
  ["#/system/tokens", id("new-token")],
];

describe("the page", () => {
  let browser;
  let centre;
  let page;
  let seen;
  /** The line whose breaker is operated, the one that is tripped, and the breaker's point. */
  let operated;
  let tripped;
  let spare;
  let breaker;

  before(async () => {
    browser = await startBrowser();
    ({ page, seen } = await openPage(browser, "dark"));
    centre = await startCentre();
  });

  after(async () => {
    await browser?.close();
    await centre?.kill("SIGKILL");
    centre?.clean();
  });

  test("shows live values within three seconds of the program's start", async (t) => {
    await page.goto(centre.page);
    await page.waitForFunction((canvas) => Number(document.querySelector(canvas)?.dataset.values ?? 0) > 0, id("network-canvas"));
    const took = performance.now() - centre.started;
    t.diagnostic(`program start to first live value: ${Math.round(took)} ms`);
    assert.ok(took <= FIRST_VALUE_MS, `${took} ms`);
    await live(page);
    assert.ok(!page.url().includes("token"), "the token stays in the address bar");
  });

  test("knows the grid", async () => {
    const network = await ask(page, "/network");
    const lines = network.branches
      .map((branch, index) => ({ ...branch, index }))
      .filter((branch) => branch.kind === "line" && branch.from_end.breaker_point !== null);
    assert.ok(lines.length >= 2);
    [operated, tripped, ...spare] = lines;
    breaker = await ask(page, `/points/${operated.from_end.breaker_point}`);
    assert.equal(breaker.text, "closed");
  });

  test("its values and its clock go on", async () => {
    await visit(page, "#/points", ".table-scroll tbody .number");
    const watched = [id("live-clock"), ".table-scroll tbody"];
    const before_ = await Promise.all(watched.map((selector) => page.textContent(selector)));
    await page.waitForFunction(
      ([selectors, old]) => selectors.every((selector, i) => document.querySelector(selector)?.textContent !== old[i]),
      [watched, before_],
      { timeout: 10_000 },
    );
    const values = ".table-scroll tbody td:nth-child(2) .number";
    const first = await page.$$eval(values, (cells) => cells.map((cell) => cell.textContent));
    await page.waitForFunction(
      ([selector, old]) => [...document.querySelectorAll(selector)].some((cell, i) => cell.textContent !== old[i]),
      [values, first],
      { timeout: 10_000 },
    );
  });

  test("acknowledges an alarm that the field raised", async () => {
    const known = new Set((await ask(page, "/alarms?state=active")).alarms.map((alarm) => alarm.id));
    await injectFault(centre.twin, "line-trip", tripped.name);
    await visit(page, "#/alarms", ".table-scroll, .table-empty");
    const fresh = await page.waitForFunction(
      (old) => {
        const rows = [...document.querySelectorAll('[data-testid^="alarm-row-"].unacknowledged')];
        return rows.map((row) => row.dataset.testid.slice("alarm-row-".length)).find((alarm) => !old.includes(alarm)) ?? null;
      },
      [...known],
      { timeout: 20_000 },
    );
    const alarm = await fresh.jsonValue();
    await page.click(id(`alarm-ack-${alarm}`));
    await page.waitForFunction((row) => document.querySelector(`${row}.unacknowledged`) === null, id(`alarm-row-${alarm}`));
    const told = (await ask(page, "/alarms?state=all")).alarms.find((a) => a.id === alarm);
    assert.ok(told === undefined || told.acknowledged, "the page says acknowledged and the centre does not");
  });

  test("names what came first in its group, and acknowledges the group", async () => {
    await visit(page, "#/alarms/groups", '[data-testid^="group-row-"]');
    const { lines } = await ask(page, "/alarms/groups");
    assert.ok(lines.length <= 10);
    const line = lines.find((each) => each.unacknowledged > 0 && each.groups.length === 1);
    assert.ok(line !== undefined && line.first_out !== null, JSON.stringify(lines));
    const row = id(`group-row-${line.groups[0]}`);
    const shown = await page.textContent(`${row} ${id("first-out")}`);
    assert.ok(shown.includes(line.first_out.source), shown);
    await page.click(id(`group-ack-${line.groups[0]}`));
    await page.waitForFunction((selector) => document.querySelector(selector) === null, id(`group-ack-${line.groups[0]}`), { timeout: 10_000 });
    const after = (await ask(page, "/alarms?state=all")).alarms.filter((a) => a.group === line.groups[0]);
    assert.ok(after.every((alarm) => alarm.acknowledged), JSON.stringify(after));
  });

  test("shelves an alarm with a reason by the keyboard alone, and says so on every page", async () => {
    const { alarms } = await ask(page, "/alarms?place=shown");
    const alarm = alarms.find((each) => each.kind !== "system" && each.active);
    assert.ok(alarm !== undefined);
    await visit(page, "#/alarms", id(`alarm-row-${alarm.id}`));
    await page.click(`${id(`alarm-row-${alarm.id}`)} td.time`);
    await page.keyboard.press("s");
    await page.waitForSelector(`${id("shelve-dialog")} ${id("shelve-reason")}`);
    await page.keyboard.type("crew on site");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("shelve-dialog"), { state: "detached" });
    await page.waitForFunction((row) => document.querySelector(row) === null, id(`alarm-row-${alarm.id}`));
    await page.waitForSelector(id("inhibited-banner"));
    await visit(page, "#/alarms/shelved", id(`alarm-row-${alarm.id}`));
    const told = (await ask(page, "/alarms?place=shelved")).alarms.find((each) => each.id === alarm.id);
    assert.equal(told.shelved.reason, "crew on site");
    await page.click(`${id(`alarm-row-${alarm.id}`)} input`);
    await page.click(id("alarm-unshelve"));
    await page.waitForFunction((row) => document.querySelector(row) === null, id(`alarm-row-${alarm.id}`));
    await page.waitForSelector(id("inhibited-banner"), { state: "detached" });
  });

  test("opens a breaker: select, confirm, and the symbol follows the measurement only", async (t) => {
    await visit(page, `#/network/branch/${operated.index}`, id(`ctl-open-${breaker.name}`));
    const samples = await operate(page, breaker, 0);
    const open = samples.findIndex(([, position]) => position === "open");
    const pending = samples.filter(([state, position]) => (state === "executing" || state === "awaiting_return") && position === "closed");
    t.diagnostic(`states seen: ${samples.map((s) => s.join("/")).join(" ")}`);
    assert.ok(pending.length > 0, "the symbol was never seen closed while the command was under way");
    assert.ok(open >= 0, "the symbol never opened");
    // On its way a double point measures an intermediate position, but never before the execution.
    const moved = samples.findIndex(([, position]) => position !== "closed");
    for (const [state, position] of samples.slice(0, moved)) assert.equal(position, "closed", `while ${state}`);
    assert.ok(samples.slice(0, moved).some(([state]) => state === "executing"), "it moved before the execution");
    assert.equal((await ask(page, `/points/${breaker.id}`)).text, "open");
  });

  test("closes it again", async () => {
    const samples = await operate(page, breaker, 1);
    assert.equal(samples.at(-1)[1], "closed");
    const log = (await ask(page, "/commands?limit=20")).commands.filter((c) => c.point === breaker.id);
    assert.ok(log.filter((c) => c.state === "confirmed").length >= 2);
  });

  test("says that a flood lasts, and leads to the groups", async () => {
    assert.equal(await page.$(id("flood-banner")), null);
    for (const line of spare.slice(0, 4)) await injectFault(centre.twin, "line-trip", line.name);
    await page.waitForSelector(id("flood-banner"), { timeout: 20_000 });
    const { alarms } = await ask(page, "/status");
    assert.ok(alarms.rate > 10 && alarms.flood_since !== null, JSON.stringify(alarms));
    await page.click(`${id("flood-banner")} button`);
    await page.waitForSelector('[data-testid^="group-row-"]');
    const rows = await page.$$('[data-testid^="group-row-"]');
    assert.ok(rows.length <= 10);
  });

  test("lets a command be cancelled with the keyboard alone", async () => {
    await page.keyboard.press("1");
    await page.waitForSelector(id("estimation-state"));
    await page.keyboard.press("/");
    await page.waitForSelector(id("find-input"));
    await page.keyboard.type(breaker.name);
    await page.waitForSelector(".find-list button");
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("faceplate"));
    await tabTo(page, `ctl-open-${breaker.name}`);
    await page.keyboard.press("Enter");
    await page.waitForSelector(id("ctl-dialog"));
    await tabTo(page, "ctl-value-0");
    await page.keyboard.press("Space");
    await tabTo(page, "ctl-reason");
    await page.keyboard.type("keyboard test");
    await tabTo(page, "ctl-select");
    await page.keyboard.press("Enter");
    await page.waitForSelector(`${id("ctl-state")}[data-state="selected"]`);
    assert.equal(await focused(page), "ctl-cancel", "the safe button has the focus");
    await page.keyboard.press("Enter");
    await page.waitForSelector(`${id("ctl-state")}[data-state="cancelled"]`);
    await page.keyboard.press("Escape");
    await page.waitForSelector(id("ctl-dialog"), { state: "detached" });
    assert.equal((await ask(page, `/points/${breaker.id}`)).text, "closed");
  });

  test("writes an emergency order, does its first step and leaves the second out", async () => {
    await visit(page, "#/switching", id("order-new"));
    await page.click(id("order-new"));
    await page.fill(id("order-title"), "Isolate a feeder");
    await page.selectOption(id("order-kind"), "emergency");
    await page.fill(id("order-why"), "tree on the line");
    await page.fill(id("step-point-1"), "S12/L6-12/CB");
    await page.selectOption(id("step-value-1"), "0");
    await page.click(id("step-add"));
    await page.selectOption(id("step-action-2"), "instruct");
    await page.fill('[aria-label="Text of step 2"]', "call the crew");
    assert.deepEqual(await violations(page), []);
    await page.click(id("order-save"));
    await page.click(id("order-check"));
    await page.waitForSelector("text=Checked");
    await page.click(id("order-begin"));
    await page.click(id("step-do"));
    await page.waitForSelector(`${id("step-execute")}:enabled`);
    await page.click(id("step-execute"));
    await page.waitForSelector(".step-done");
    assert.equal((await ask(page, "/points?search=S12/L6-12/CB")).points[0].text, "open");
    await page.click(id("step-skip"));
    await page.fill(id("order-reason"), "is here already");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".step-skipped");
    await page.waitForSelector(".side .chip:has-text('completed')");
  });

  for (const theme of THEMES) {
    test(`has no accessibility violation and no overflow, ${theme}`, async () => {
      await page.selectOption(id("theme"), theme);
      for (const [hash, ready] of PAGES) {
        await visit(page, hash, ready);
        assert.deepEqual(await violations(page), [], `${hash} ${theme}`);
        for (const [width, height] of [[1920, 1080], [1366, 768]]) {
          await page.setViewportSize({ width, height });
          await page.waitForTimeout(150);
          assert.deepEqual(await overflows(page), [], `${hash} at ${width}x${height}`);
        }
      }
      await visit(page, "#/network", id("network-canvas"));
      await page.click(id("network-table"));
      assert.deepEqual(await violations(page), [], `table twin ${theme}`);
      await page.click(id("network-diagram"));
      await dialogs(page, breaker, async (name) => assert.deepEqual(await violations(page), [], `${name} ${theme}`));
    });
  }

  test("sets a point aside and treats it as usual again", async () => {
    await visit(page, "#/points", ".table-scroll");
    await page.fill(id("point-search"), "S5/V");
    await page.click(`${id("point-row-S5/V")} button`);
    await page.waitForSelector(id("faceplate"));
    await page.click(id("mode-open"));
    await page.waitForSelector(id("mode-dialog"));
    await page.check(id("mode-replaced"));
    await page.fill(id("mode-value"), "135.5");
    await page.fill(id("mode-reason"), "meter is being replaced");
    await page.click(id("mode-set"));
    await page.waitForSelector(id("mode-dialog"), { state: "detached" });
    const point = async () => (await ask(page, "/points?search=S5%2FV&limit=10")).points.find((p) => p.name === "S5/V");
    let shown = await point();
    assert.equal(shown.value, 135.5);
    assert.deepEqual([shown.mode.replaced, shown.mode.reason, shown.quality.source], [true, "meter is being replaced", "substituted"]);
    await page.click(`${id("point-row-S5/V")} button`);
    await page.click(id("mode-open"));
    await page.uncheck(id("mode-replaced"));
    await page.fill(id("mode-reason"), "new meter reads well");
    await page.click(id("mode-set"));
    await page.waitForSelector(id("mode-dialog"), { state: "detached" });
    shown = await point();
    assert.deepEqual([shown.mode, shown.quality.source], [null, "process"]);
  });

  test("compares a point list and puts it into force", async () => {
    await visit(page, "#/points", ".table-scroll");
    const csv = await page.evaluate(() => fetch("/api/v1/point-list").then((answer) => answer.text()));
    const lines = csv.trimEnd().split("\n");
    const columns = lines[0].split(",");
    const at = lines.findIndex((line) => line.startsWith("S5/V,"));
    const cells = lines[at].split(",");
    cells[columns.indexOf("high")] = "140";
    cells[columns.indexOf("high_high")] = "150";
    lines[at] = cells.join(",");
    await page.click(id("list-open"));
    await page.setInputFiles(id("list-file"), { name: "points.csv", mimeType: "text/csv", buffer: Buffer.from(`${lines.join("\n")}\n`) });
    await page.waitForSelector(id("list-differences"));
    const told = await page.textContent(id("list-differences"));
    assert.ok(told.includes("S5/V") && told.includes("high") && told.includes("140"), told);
    assert.deepEqual(await violations(page), []);
    await page.fill(id("list-reason"), "season");
    await page.click(id("list-apply"));
    await page.waitForFunction((list) => document.querySelector(list)?.textContent.includes("In force"), id("list-dialog"));
    const limits = (await ask(page, "/points?search=S5%2FV&limit=10")).points.find((p) => p.name === "S5/V").limits;
    assert.equal(limits.high, 140);
    await page.keyboard.press("Escape");
  });

  test("tells why a token is refused", async () => {
    const other = await openPage(browser, "dark");
    await other.page.goto(`${centre.origin}/#token=spent`);
    await other.page.waitForSelector(id("sign-in-problem"));
    assert.deepEqual(await violations(other.page), []);
    await other.page.context().close();
  });

  test("says within two seconds that the centre is gone, and calls every value old", async (t) => {
    await visit(page, `#/network/branch/${operated.index}`, id(`switch-state-${breaker.name}`));
    const killed = performance.now();
    await centre.kill("SIGKILL");
    await page.waitForSelector(id("conn-banner"));
    const took = performance.now() - killed;
    t.diagnostic(`kill to banner: ${Math.round(took)} ms`);
    assert.ok(took <= BANNER_MS, `${took} ms`);
    await page.waitForSelector(`${id(`switch-state-${breaker.name}`)}[data-trust="stale"]`);
  });

  test("asked nothing of any other origin and broke no policy", () => {
    const allowed = [centre.origin, centre.origin.replace("http", "ws")];
    const foreign = seen.requests.filter((url) => !allowed.includes(new URL(url).origin));
    assert.ok(seen.requests.length > 10);
    assert.deepEqual(foreign, []);
    assert.deepEqual(seen.errors, []);
  });
});

/** One whole command through the dialog. Returns what the page showed, in order: [command state, switch position]. */
async function operate(page, point, value) {
  await page.evaluate(
    ([command, position]) => {
      const samples = [];
      const sample = () => {
        const state = document.querySelector(command)?.dataset.state ?? "none";
        const now = [state, document.querySelector(position)?.textContent ?? "?"];
        if (samples.at(-1)?.join() !== now.join()) samples.push(now);
      };
      sample();
      globalThis.samples = samples;
      globalThis.observer = new MutationObserver(sample);
      globalThis.observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    },
    [id("ctl-state"), id(`switch-state-${point.name}`)],
  );
  await page.click(id(`ctl-open-${point.name}`));
  assert.ok(await page.isDisabled(id("ctl-select")), "select needs a value and a reason");
  await page.check(id(`ctl-value-${value}`));
  await page.fill(id("ctl-reason"), "browser test");
  await page.click(id("ctl-select"));
  await page.waitForSelector(`${id("ctl-state")}[data-state="selected"]`);
  assert.notEqual(await focused(page), "ctl-confirm", "confirm must not have the focus by itself");
  await page.click(id("ctl-confirm"));
  await page.waitForSelector(`${id("ctl-state")}[data-state="confirmed"]`, { timeout: 30_000 });
  await page.click(id("ctl-cancel"));
  await page.waitForFunction(
    ([selector, text]) => document.querySelector(selector)?.textContent === text,
    [id(`switch-state-${point.name}`), value === 0 ? "open" : "closed"],
  );
  return page.evaluate(() => {
    globalThis.observer.disconnect();
    return globalThis.samples;
  });
}

const focused = (page) => page.evaluate(() => document.activeElement?.dataset.testid ?? "");

/** Tab until the element has the focus; on the way every focused element must show it. */
async function tabTo(page, wanted) {
  for (let i = 0; i < 60; i += 1) {
    await page.keyboard.press("Tab");
    const visible = await page.evaluate(() => {
      const e = document.activeElement;
      return e === document.body || e === null || getComputedStyle(e).outlineStyle !== "none" || e.closest(".table-scroll") !== null;
    });
    assert.ok(visible, "the focus cannot be seen");
    if ((await focused(page)) === wanted) return;
  }
  assert.fail(`${wanted} cannot be reached with Tab`);
}

/** Opens every dialog in turn. */
async function dialogs(page, point, check) {
  await visit(page, "#/points", ".table-scroll");
  await page.fill(id("point-search"), point.name);
  const open = async () => {
    await page.click(`${id(`point-row-${point.name}`)} button`);
    await page.waitForSelector(id("faceplate"));
  };
  await open();
  await check("faceplate");
  await page.click(id(`ctl-open-${point.name}`));
  await page.waitForSelector(id("ctl-dialog"));
  await check("control dialog");
  await page.keyboard.press("Escape");
  await open();
  await page.click(id("tag-open"));
  await page.waitForSelector(id("tag-dialog"));
  await check("tag dialog");
  await page.keyboard.press("Escape");
  await open();
  await page.click(id("mode-open"));
  await page.waitForSelector(id("mode-dialog"));
  await check("mode dialog");
  await page.keyboard.press("Escape");
  await page.click(id("list-open"));
  await page.waitForSelector(id("list-dialog"));
  await check("point list dialog");
  await page.keyboard.press("Escape");
  await page.keyboard.press("?");
  await page.focus("main");
  await page.keyboard.press("?");
  await page.waitForSelector(id("keys-dialog"));
  await check("keys");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.waitForSelector(id("find-dialog"));
  await check("find");
  await page.keyboard.press("Escape");
  await visit(page, "#/alarms", '[data-testid^="alarm-row-"]');
  await page.click('[data-testid^="alarm-row-"] td.time');
  for (const [key, dialog] of [["Enter", "alarm-dialog"], ["s", "shelve-dialog"]]) {
    await page.keyboard.press(key);
    await page.waitForSelector(id(dialog));
    await check(dialog);
    await page.keyboard.press("Escape");
    await page.waitForSelector(id(dialog), { state: "detached" });
  }
}
