// Signing in as people do: password, authenticator, passkey. The passkey is kept and used by Chromium's virtual authenticator
// (WebAuthn over the debugger), which is not ours.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { ask, id, live, openPage, startBrowser, startCentre, violations, visit } from "./centre.mjs";

const PASSWORD = "a long and quiet river";

/** The code of a step of 30 s, after RFC 6238. */
function code(secret, step) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((octet) => Number.parseInt(octet, 2)));
  const count = Buffer.alloc(8);
  count.writeBigInt64BE(BigInt(step));
  const hash = createHmac("sha1", key).update(count).digest();
  const number = (hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1e6;
  return String(number).padStart(6, "0");
}

describe("signing in", () => {
  let browser;
  let centre;
  let page;
  let seen;
  let debuggee;
  let device;
  let secret;
  const enter = async (way, fields) => {
    await page.click(id(`way-${way}`));
    for (const [name, value] of Object.entries(fields)) await page.fill(id(`sign-in-${name}`), value);
    await page.click(id("sign-in-submit"));
  };
  const leave = async () => {
    await visit(page, "#/system/account", id("sign-out"));
    await page.click(id("sign-out"));
    await page.waitForSelector(id("sign-in-submit"));
  };

  before(async () => {
    browser = await startBrowser();
    ({ page, seen } = await openPage(browser, "light"));
    centre = await startCentre();
    debuggee = await page.context().newCDPSession(page);
    await debuggee.send("WebAuthn.enable");
    const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true };
    device = (await debuggee.send("WebAuthn.addVirtualAuthenticator", { options })).authenticatorId;
    // Browsers keep passkeys for names only.
    await page.goto(centre.page.replace("127.0.0.1", "localhost"));
    await live(page);
  });

  after(async () => {
    await browser?.close();
    await centre?.kill("SIGKILL");
    centre?.clean();
  });

  test("a password and an authenticator are set up on the page", async () => {
    await visit(page, "#/system/account", id("set-password"));
    await page.fill(id("new-password"), PASSWORD);
    await page.fill(id("new-password-again"), `${PASSWORD}s`);
    await page.click(id("set-password"));
    await page.waitForSelector('.problem[role="alert"]');
    await page.fill(id("new-password-again"), PASSWORD);
    await page.click(id("set-password"));
    await page.waitForSelector(id("present-password"));
    await page.click(id("begin-totp"));
    secret = await page.textContent(id("totp-secret"));
    assert.deepEqual(await violations(page), []);
    await page.fill(id("totp-code"), code(secret, Math.floor(Date.now() / 30_000)));
    await page.click(id("finish-totp"));
    await page.waitForSelector(id("recovery-codes"));
    await page.click(id("codes-kept"));
    assert.equal((await ask(page, "/session")).second_factor, "totp");
  });

  test("a passkey is registered, signs in, and is a fresh second factor", async () => {
    await visit(page, "#/system/account", id("passkey-name"));
    await page.fill(id("passkey-name"), "this laptop");
    await page.click(id("register-passkey"));
    await page.waitForSelector(id("passkeys"));
    const kept = (await debuggee.send("WebAuthn.getCredentials", { authenticatorId: device })).credentials;
    assert.deepEqual(kept.map((key) => key.rpId), ["localhost"]);
    await leave();
    await enter("passkey", { user: "first" });
    await live(page);
    assert.equal((await ask(page, "/session")).second_factor, "passkey");
    await visit(page, "#/system/account", id("step-up-passkey"));
    await page.click(id("step-up-passkey"));
    await page.waitForSelector('.system-grid [role="status"]');
    assert.deepEqual(await violations(page), []);
    assert.deepEqual((await ask(page, "/sessions")).sessions.map((session) => session.began), ["passkey"]);
  });

  test("what a device answered is good once, for its exchange and its address only", async () => {
    await leave();
    const sent = [];
    page.on("request", (request) => {
      if (request.url().endsWith("/passkey/finish")) sent.push(request.postData());
    });
    await enter("passkey", { user: "first" });
    await live(page);
    const post = (path, body) =>
      page.evaluate(
        async ([to, text]) => {
          const answer = await fetch(`/api/v1${to}`, { method: "POST", headers: { "content-type": "application/json" }, body: text });
          return { status: answer.status, body: await answer.json() };
        },
        [path, body],
      );
    assert.equal((await post("/session/passkey/finish", sent[0])).status, 401, "again");
    const other = await post("/session/passkey", JSON.stringify({ user: "first" }));
    const replayed = JSON.stringify({ ...JSON.parse(sent[0]), id: other.body.id });
    assert.equal((await post("/session/passkey/finish", replayed)).status, 401, "for another challenge");
    assert.equal((await post("/session/passkey", JSON.stringify({ user: "nobody" }))).status, 401);
  });

  test("name and password ask for the code", async () => {
    await leave();
    await enter("password", { user: "first", password: PASSWORD });
    await page.waitForSelector(id("sign-in-code"));
    assert.deepEqual(await violations(page), []);
    // One step ahead is accepted, and was not used yet.
    await page.fill(id("sign-in-code"), code(secret, Math.floor(Date.now() / 30_000) + 1));
    await page.click(id("sign-in-submit"));
    await live(page);
    assert.deepEqual(seen.errors, []);
  });
});
