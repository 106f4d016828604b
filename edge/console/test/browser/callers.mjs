// Tokens with fewer scopes, and a caller with a key: nobody sees a button for what would be refused.

import { accessible, expect, open, run, seen, settings, signIn } from "./browser.mjs";

const SEEN = {
  read: ["Overview", "Keys", "Accounts", "Usage", "Plans", "Origins", "Alerts", "Audit log", "Playground"],
  keys: ["Overview", "Keys", "Accounts", "Playground"],
  plans: ["Overview", "Plans", "Alerts", "Playground"],
  origins: ["Overview", "Origins", "Playground"],
};

await run(async ({ page, step }) => {
  const pages = () => page.getByRole("navigation", { name: "Pages", exact: true }).getByRole("link").allInnerTexts();
  const leave = () => page.getByRole("button", { name: "Sign out" }).click();
  for (const [scope, seen] of Object.entries(SEEN)) {
    await step(`a token with the scope ${scope}`, async () => {
      await signIn(page, settings.scoped[scope]);
      expect((await pages()).join() === seen.join(), `${scope} sees ${await pages()}`);
      await page.getByRole("heading", { level: 2, name: "Edge gate" }).waitFor();
      const traffic = await page.getByRole("region", { name: "Traffic", exact: true }).count();
      expect(traffic === (scope === "read" ? 1 : 0), "the traffic");
      if (seen.includes("Keys")) {
        await open(page, "Keys");
        await page.getByLabel("Name begins with").fill("counted");
        await page.getByRole("link", { name: "many" }).first().waitFor({ state: "detached" });
        expect((await page.getByRole("link", { name: "New key" }).count()) === (scope === "keys" ? 1 : 0), "New key");
        await page.getByRole("link", { name: "counted" }).click();
        await page.getByRole("heading", { level: 1, name: "counted" }).waitFor();
        const buttons = await page.getByRole("main").getByRole("button").allInnerTexts();
        const all = ["Change", "Rotate…", "Disable", "Delete"];
        expect(buttons.join() === (scope === "keys" ? all : []).join(), `buttons: ${buttons}`);
        const toUsage = await page.getByRole("link", { name: "Usage by hour and day" }).count();
        expect(toUsage === (scope === "read" ? 1 : 0), "the way to its usage");
      }
      if (seen.includes("Plans")) {
        await open(page, "Plans");
        await page.getByLabel("JSON").waitFor();
        const put = await page.getByRole("button", { name: "Put in force" }).count();
        expect(put === (scope === "plans" ? 1 : 0), "Put in force");
        expect(
          (await page.getByLabel("JSON").getAttribute("readonly")) === (scope === "plans" ? null : ""),
          "the text",
        );
      }
      if (seen.includes("Origins")) {
        await open(page, "Origins");
        await page.getByLabel("List (JSON)").waitFor();
        const put = await page.getByRole("button", { name: "Put in force" }).count();
        expect(put === (scope === "origins" ? 1 : 0), "Put in force");
      }
      if (seen.includes("Alerts")) {
        await open(page, "Alerts");
        await page.getByText("ALERT_WEBHOOKS is not set", { exact: true }).waitFor();
        const row = page.getByRole("region", { name: "Rules in force" }).getByRole("row", { name: /^key-refused / });
        await row.getByText("nobody", { exact: true }).waitFor();
      }
      if (scope === "keys") {
        // It may not see the plans, and makes a key all the same.
        await page.goto(`${settings.url}/console/#/keys/new`);
        await page.getByLabel("Name").fill("of the default plan");
        await page.getByRole("button", { name: "Make the key" }).click();
        await page.getByRole("heading", { level: 1, name: "The key is made" }).waitFor();
      }
      await page.getByRole("alert").waitFor({ state: "detached" });
      await accessible(page);
      await leave();
    });
  }
  await step("a caller sees its own limits, and they move", async () => {
    await signIn(page, settings.key);
    expect((await pages()).join() === "My limits,Usage,Playground", `a caller sees ${await pages()}`);
    const bar = page.getByRole("meter", { name: "hour" });
    await bar.waitFor();
    const before = Number(await bar.getAttribute("aria-valuenow"));
    await fetch(`${settings.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${settings.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: settings.model, max_tokens: 4, messages: [{ role: "user", content: "x" }] }),
    }).then((answer) => answer.text());
    await page.waitForFunction(
      (value) => document.querySelector('[role=meter][aria-label="hour"]')?.getAttribute("aria-valuenow") === value,
      String(before + 1),
    );
    for (const [language, theme] of [
      ["English", "light"],
      ["中文", "dark"],
    ]) {
      const button = page.getByRole("button", { name: language, exact: true });
      if (await button.isVisible()) await button.click();
      await page.emulateMedia({ colorScheme: theme });
      await accessible(page);
      await page.screenshot({ path: `${settings.screens}/limits-${theme}.png`, fullPage: true });
    }
    await page.getByRole("button", { name: "English", exact: true }).click();
    await open(page, "Playground");
    expect((await page.getByLabel("API key").count()) === 0, "it calls with its own key");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("done", { exact: true }).waitFor();
    await page.reload();
    await page.getByRole("navigation", { name: "Pages", exact: true }).waitFor();
    await leave();
  });
  await step("a caller sees its own usage, and nobody else's", async () => {
    await signIn(page, settings.key);
    await open(page, "Usage");
    await page.getByRole("img", { name: /^Requests by hour, from / }).waitFor();
    expect((await page.getByRole("searchbox").count()) === 0, "it asks for no account and no key");
    const ticks = await page
      .getByRole("checkbox")
      .evaluateAll((all) => all.map((one) => one.parentElement.textContent));
    expect(ticks.join() === "Model,Endpoint,End user", `told apart by: ${ticks}`);
    await page.getByLabel("Time steps").selectOption("whole range");
    await page.getByLabel("Model").check();
    const line = page.getByRole("row").filter({ hasText: settings.model });
    await seen(page, line.getByRole("cell").first().getByText("2", { exact: true }));
    await page.setViewportSize({ width: 375, height: 780 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(wide <= 0, `the page is ${wide} px wider than its screen`);
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/usage-caller.png`, fullPage: true });
    await page.setViewportSize({ width: 1280, height: 860 });
    await leave();
  });
  await step("usage of many accounts is added up, or read by its pages", async () => {
    await signIn(page, settings.token);
    await open(page, "Usage");
    await page.getByLabel("Time steps").selectOption("whole range");
    await page.getByRole("row", { name: /^All 2 / }).waitFor();
    expect((await page.getByRole("button", { name: "Next" }).count()) === 0, "all accounts are in it");
    await page.getByRole("checkbox", { name: "Account" }).check();
    const line = page.getByRole("rowheader");
    const next = page.getByRole("button", { name: "Next", disabled: false });
    const pages = Math.ceil((settings.many + 1) / 25);
    let lines = 0;
    let last;
    for (let number = 1; number < pages; number += 1) {
      await page.getByText(`Page ${number} · `).waitFor();
      await next.waitFor();
      lines += await line.count();
      // The page shows what was there before until it knows more.
      const answered = page.waitForResponse((response) => response.url().includes("/admin/v1/usage?"));
      await next.click();
      last = await (await answered).json();
    }
    expect(last.next == null, "that was the last page");
    await page.getByRole("button", { name: "Next", disabled: true }).waitFor();
    // One account has used something.
    await line.first().waitFor({ state: lines === 0 ? "attached" : "detached" });
    await leave();
  });
  await step("a key that ends is signed out", async () => {
    await signIn(page, settings.key);
    await fetch(`${settings.url}/admin/v1/keys/${settings.keyId}`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${settings.token}` },
    });
    await page.getByText("The token is not valid any more.").waitFor();
  });
  await step("a list of many keys is read by its pages", async () => {
    await signIn(page, settings.token);
    await open(page, "Keys");
    const rows = page.getByRole("main").locator("tbody tr");
    const seen = new Set();
    const pages = Math.ceil((settings.many + 1) / 50);
    for (let number = 1; number <= pages; number += 1) {
      await page.getByText(`Page ${number} · `).waitFor();
      // "Next" is disabled on the last page, and on each while the page's answer is waited for.
      await page.getByRole("button", { name: "Next", disabled: number === pages }).waitFor();
      const ids = await rows.locator("th a").evaluateAll((links) => links.map((link) => link.hash));
      expect(ids.length <= 50, "a page is short");
      ids.forEach((id) => seen.add(id));
      if (number === pages) break;
      await page.getByRole("button", { name: "Next" }).click();
      // The page shows what was there before until it knows more.
      await rows.locator(`a[href="${ids[0]}"]`).waitFor({ state: "detached" });
    }
    expect(seen.size === settings.many + 1, `all of them were seen: ${seen.size}`);
    await page.getByLabel("Name begins with").fill("many-1");
    await page.getByRole("link", { name: "many-0" }).first().waitFor({ state: "detached" });
    await page.getByText("Page 1 · ").waitFor();
    expect((await rows.count()) > 0, "a filter finds some");
  });
});
