// What an operator does in an afternoon: makes a key, tries it out until its limit refuses, raises the limit, and reads
// all of it in the audit log.

import { readFileSync } from "node:fs";
import { accessible, expect, open, run, seen, settings, signIn, tryDraft } from "./browser.mjs";

const HOSTILE = [
  '<img src=x onerror="document.title=1">',
  "\u05d0\u05d1\u05d2 right to left \u05d3\u05d4",
  "\u{1f600}".repeat(32),
];
let secret = "";

await run(async ({ page, step }) => {
  await step("a wrong token is refused, and says so", async () => {
    await page.goto(`${settings.url}/console/`);
    await page.getByLabel("Admin token or API key").fill("wrong-token-of-nobody");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("invalid_admin_token").waitFor();
  });
  await step("sign in", async () => {
    await signIn(page, settings.token);
    const kept = await page.evaluate(() => [JSON.stringify(localStorage), document.cookie, location.href]);
    expect(!kept.join().includes(settings.token), "the token is in this tab's session alone");
  });
  await step("a key that the API refuses shows why at its field", async () => {
    await open(page, "Keys");
    await open(page, "New key");
    await page.getByLabel("Account").fill("nobody");
    await page.getByRole("button", { name: "Make the key" }).click();
    const field = page.getByLabel("Account");
    await page.locator('[aria-invalid="true"]').waitFor();
    expect((await field.getAttribute("aria-invalid")) === "true", "the field is marked");
    await field.fill("");
  });
  await step("make a key and copy its secret", async () => {
    await page.getByLabel("Name").fill("afternoon");
    await page.getByLabel("Plan").selectOption("team");
    await page.getByRole("button", { name: "Make the key" }).click();
    await page.getByRole("button", { name: "Copy the secret" }).click();
    await page.getByText("Copied").waitFor();
    secret = await page.evaluate(() => navigator.clipboard.readText());
    expect(/^slc_[0-9A-Za-z]{50}$/.test(secret), "the clipboard holds a key");
    settings.secrets.push(secret);
    expect(!(await page.content()).includes(secret), "the secret is hidden until it is asked for");
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/secret.png`, fullPage: true });
  });
  await step("call it in the playground", async () => {
    await page.getByRole("button", { name: "Try it in the playground" }).click();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(settings.says, { exact: true }).waitFor();
    await page.getByRole("status").getByText("done", { exact: true }).waitFor();
    for (const told of ["First token", "Whole answer", "Prompt tokens", "x-request-id", "ratelimit-policy"]) {
      await page.getByText(told, { exact: true }).first().waitFor();
    }
    await page.getByRole("meter", { name: "hour" }).waitFor();
  });
  await step("stop a stream that does not end", async () => {
    // So slow a line that the stream cannot be over before it is stopped.
    const line = await page.context().newCDPSession(page);
    const speed = (downloadThroughput) =>
      line.send("Network.emulateNetworkConditions", {
        offline: false,
        latency: 0,
        downloadThroughput,
        uploadThroughput: -1,
      });
    await line.send("Network.enable");
    await page.getByLabel("Message", { exact: true }).fill(settings.endless);
    await page.getByLabel("Tokens at most").fill("32768");
    await speed(20_000);
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("and on").first().waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("stopped", { exact: true }).waitFor();
    await speed(-1);
    await line.detach();
  });
  await step("its limit refuses, and says which", async () => {
    await page.getByLabel("Message", { exact: true }).fill("Hello");
    await page.getByLabel("Tokens at most").fill("16");
    for (let sent = 0; sent < settings.limit; sent += 1) {
      await page.getByRole("button", { name: "Send" }).click();
      const end = page.getByRole("region", { name: "Answer" }).getByRole("status").first();
      await end.getByText(/^(done|refused)$/).waitFor();
      if ((await end.textContent()) === "refused") break;
    }
    await page.getByRole("alert").getByText("429 rate_limit_exceeded").waitFor();
    await page.getByText("This limit refused.").waitFor();
    await page.getByText(/^Try again in /).waitFor();
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/refused.png`, fullPage: true });
    return page.getByRole("alert").innerText();
  });
  await step("a snippet has no secret in it", async () => {
    await page.getByRole("button", { name: "Python" }).click();
    const snippet = await page.getByLabel("The same call").last().innerText();
    expect(snippet.includes("base_url") && !snippet.includes("slc_"), snippet);
  });
  await step("a mistake of a plan is shown at its place", async () => {
    await open(page, "Plans");
    await page.getByLabel("Plan", { exact: true }).selectOption("team");
    await page.getByLabel("In any").first().fill("1 hour");
    await page.getByRole("button", { name: "Put in force" }).click();
    const field = page.locator('[aria-invalid="true"]');
    await field.waitFor();
    expect((await field.inputValue()) === "1 hour", "the field with the mistake is marked");
    await page.getByText("plans.team.limits[0].window").waitFor();
    await page.getByRole("button", { name: /^line \d+$/ }).click();
    const chosen = await page.evaluate(() => {
      const { value, selectionStart, selectionEnd } = document.activeElement;
      return value.slice(selectionStart, selectionEnd);
    });
    expect(chosen === '"window": "1 hour"', `the editor shows it: ${chosen}`);
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/plan-mistake.png`, fullPage: true });
  });
  await step("a draft that is only tried has its mistakes at the same places", async () => {
    const field = page.getByLabel("In any").first();
    await field.fill("2 hours");
    const isTried = (response) => response.url().endsWith("/admin/v1/plans/replay");
    const tries = page.getByRole("button", { name: "Try on the last day" });
    const [answer] = await Promise.all([page.waitForResponse(isTried), tries.click()]);
    expect(answer.status() === 400, `the API refuses it: ${answer.status()}`);
    await page.getByRole("alert").getByText("plans.team.limits[0].window").waitFor();
    await page.locator('[aria-invalid="true"]').waitFor();
    expect((await field.getAttribute("aria-invalid")) === "true", "the field with the mistake is marked");
    expect((await page.getByRole("alert").count()) === 1, "it is said once");
  });
  await step("somebody else puts a table in force meanwhile, and says so", async () => {
    await page.getByLabel("In any").first().fill("1h");
    await page
      .getByLabel("At most", { exact: true })
      .first()
      .fill(String(settings.limit + 20));
    await fetch(`${settings.url}/admin/v1/plans`, {
      method: "PUT",
      headers: { authorization: `Bearer ${settings.token}`, "content-type": "application/json", "if-match": "*" },
      body: JSON.stringify(settings.otherTable),
    });
    await page.getByRole("button", { name: "Put in force" }).click();
    await page.getByRole("alert").getByText("412").waitFor();
    await page.getByRole("button", { name: "Keep my draft, and compare" }).click();
    await page.getByText("What the draft changes").waitFor();
    await page.screenshot({ path: `${settings.screens}/plan-conflict.png`, fullPage: true });
  });
  await step("the draft, tried on what was asked for, hits nobody", async () => {
    const card = await tryDraft(page, /^Nobody is hit: the draft decides each of these requests as the table in force/);
    await card.getByText(/^Requests tried: \d+, all of every account from /).waitFor();
    expect((await card.getByText("Newly refused", { exact: true }).count()) === 0, "nobody is named");
    const atMost = page.getByLabel("At most", { exact: true }).first();
    await atMost.fill(String(settings.limit + 21));
    await card.getByRole("status").getByText(/^What is told below is of another draft/).waitFor();
    await atMost.fill(String(settings.limit + 20));
    await card.getByRole("status").getByText(/^Nobody is hit/).waitFor();
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/plan-tried.png`, fullPage: true });
    return card.innerText();
  });
  await step("change the plan", async () => {
    await page.getByRole("button", { name: "Put in force" }).click();
    await page.getByText("The table is in force").waitFor();
  });
  await step("the key passes again", async () => {
    await open(page, "Playground");
    expect((await page.getByLabel("API key").inputValue()) === secret, "the playground still has the key");
    // A table is in force everywhere within five seconds.
    for (let tries = 0; ; tries += 1) {
      await page.getByRole("button", { name: "Send" }).click();
      const end = page.getByRole("region", { name: "Answer" }).getByRole("status").first();
      await end.getByText(/^(done|refused)$/).waitFor();
      if ((await end.textContent()) === "done") return;
      expect(tries < 100, "the raised limit lets it pass");
      await page.waitForTimeout(100);
    }
  });
  await step("what was served and refused is told apart by model, and saved", async () => {
    await open(page, "Usage");
    await page.getByRole("img", { name: /^Requests by hour, from / }).waitFor();
    await page.getByLabel("Show").selectOption("Tokens");
    await page.getByRole("img", { name: /^Tokens by hour, from / }).waitFor();
    await page.getByLabel("Model").check();
    await page.getByLabel("Time steps").selectOption("whole range");
    const lines = page.getByRole("region", { name: "Usage" });
    const served = lines.getByRole("row").filter({ hasText: settings.model }).getByRole("cell").first();
    await seen(page, served.getByText(String(settings.limit + 1), { exact: true }));
    await seen(page, lines.getByText(/^hour [1-9]\d*$/));
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/usage-by-model.png`, fullPage: true });
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save CSV" }).click(),
    ]);
    expect(/^usage-[-0-9]+\.csv$/.test(file.suggestedFilename()), file.suggestedFilename());
    const [head, ...rows] = readFileSync(await file.path(), "utf8").trimEnd().split("\r\n");
    expect(head.startsWith("account,model,served,failed,lapsed,"), head);
    expect(
      rows.some((row) => row.includes(`,"${settings.model}",${settings.limit + 1},0,0,`)),
      rows.join("\n"),
    );
    expect(
      rows.some((row) => /,hour=[1-9]\d*$/.test(row)),
      rows.join("\n"),
    );
    return rows.join("; ");
  });
  await step("a range that is not kept is refused at its field", async () => {
    await page.getByLabel("Range").selectOption("from a day to a day");
    await page.getByLabel("First day").fill("2020-01-01");
    await page.locator('[aria-invalid="true"]').waitFor();
    await page.getByText("is too long ago").waitFor();
    expect((await page.getByLabel("First day").getAttribute("aria-invalid")) === "true", "the field is marked");
    await accessible(page);
    await page.getByLabel("First day").fill(new Date().toISOString().slice(0, 10));
    await page.getByRole("searchbox", { name: "Account" }).fill("0".repeat(16));
    await page.getByText("There was no usage in this time.").waitFor();
  });
  await step("the pages of a key and of an account lead to their usage", async () => {
    await open(page, "Keys");
    await page.getByRole("link", { name: "afternoon" }).click();
    await page.getByRole("link", { name: "Usage by hour and day" }).click();
    await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
    const key = await page.getByRole("searchbox", { name: "Key" }).inputValue();
    expect(key.startsWith("key_"), `it is asked for: ${key}`);
    await page.getByRole("img", { name: /^Requests by hour, from / }).waitFor();
    await page.getByRole("checkbox", { name: "Account" }).check();
    await page.getByRole("rowheader").getByRole("link").first().click();
    await page.getByRole("link", { name: "Usage by hour and day" }).click();
    await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
    const account = await page.getByRole("searchbox", { name: "Account" }).inputValue();
    expect(/^[0-9a-f]{16}$/.test(account), `it is asked for: ${account}`);
    await page.getByRole("img", { name: /^Requests by hour, from / }).waitFor();
  });
  await step("put a list of origins, and take it back", async () => {
    await open(page, "Origins");
    const list = page.getByLabel("List (JSON)");
    await list.fill('[{"name": "a", "url": "http://plain.example"}]');
    await page.getByRole("button", { name: "Put in force" }).click();
    await page.getByRole("alert").getByText("origin `a`").waitFor();
    await list.fill('[{"name": "a", "url": "https://a.example"}, {"name": "b", "url": "https://b.example"}]');
    await page.getByRole("button", { name: "Put in force" }).click();
    await page.getByText("The list is in force").waitFor();
    await page.getByRole("rowheader", { name: "b", exact: true }).waitFor();
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/origins-put.png`, fullPage: true });
    await page.getByRole("button", { name: "Take it back" }).click();
    await page.getByRole("button", { name: "Take it back" }).waitFor({ state: "detached" });
  });
  await step("hostile names are letters and nothing else", async () => {
    for (const name of HOSTILE) {
      await open(page, "Keys");
      await open(page, "New key");
      await page.getByLabel("Name").fill(name);
      await page.getByLabel("Plan").selectOption("team");
      await page.getByRole("button", { name: "Make the key" }).click();
      await page.getByRole("link", { name: "I have it" }).click();
      await page.getByRole("heading", { level: 1 }).getByText(name, { exact: true }).waitFor();
    }
    await open(page, "Keys");
    for (const name of HOSTILE) await page.getByRole("rowheader").getByText(name, { exact: true }).waitFor();
    expect((await page.locator("main img").count()) === 0, "no name has become an element");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    expect(!wide, "a long name does not widen the page");
    await page.screenshot({ path: `${settings.screens}/hostile.png` });
  });
  await step("rotate, disable, enable, change, delete", async () => {
    await page.getByRole("link", { name: "afternoon" }).click();
    await page.getByRole("button", { name: "Rotate…" }).click();
    await page.getByLabel("How long the old secret stays good").fill("soon");
    await page.getByRole("button", { name: "Make another secret" }).click();
    await page.locator('[aria-invalid="true"]').waitFor();
    await page.getByLabel("How long the old secret stays good").fill("10m");
    await page.getByRole("button", { name: "Make another secret" }).click();
    await page.getByRole("region", { name: "The new secret" }).waitFor();
    await page.getByRole("button", { name: "I have it" }).click();
    await page.getByRole("button", { name: "Disable" }).click();
    await page.getByRole("button", { name: "Enable" }).click();
    await page.getByRole("button", { name: "Disable" }).waitFor();
    await page.getByRole("button", { name: "Change" }).click();
    await page.getByLabel("Name").fill("evening");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { level: 1, name: "evening" }).waitFor();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").waitFor();
    await accessible(page);
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { level: 1, name: "The key is deleted" }).waitFor();
  });
  await step("all of it is in the audit log, whose chain is whole", async () => {
    await open(page, "Audit log");
    for (const action of ["key.create", "key.rotate", "key.change", "key.delete", "plans.put", "origins.put", "origins.delete"]) {
      await page.getByRole("cell", { name: action, exact: true }).first().waitFor();
    }
    await page.getByRole("button", { name: "Verify the chain" }).click();
    const whole = page.getByText(/^All \d+ entries are whole and unchanged$/);
    await whole.waitFor();
    await page.screenshot({ path: `${settings.screens}/verified.png`, fullPage: true });
    await page.getByLabel("Action", { exact: true }).selectOption("plans.put");
    await page.getByRole("cell", { name: "key.create", exact: true }).first().waitFor({ state: "detached" });
    expect((await page.getByRole("cell", { name: "plans.put", exact: true }).count()) === 2, "two tables were put");
    return whole.innerText();
  });
  await step("sign out, and nothing is left", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
    expect((await page.evaluate(() => sessionStorage.length)) === 0, "the session is forgotten");
    await page.goto(`${settings.url}/console/#/keys`);
    await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
  });
});
