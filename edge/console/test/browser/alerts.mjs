// What an operator sees of alerts: the rules and whom they tell, a test to each webhook, and an incident that opens by
// itself while somebody looks.

import { accessible, expect, fitsEverybody, hide, open, run, settings, signIn } from "./browser.mjs";

// What is counted comes to whoever looks after a few seconds, and is looked at every ten.
const OPENS_MS = 90_000;

await run(async ({ page, step }) => {
  const table = (name) => page.getByRole("region", { name, exact: true });
  const rowOf = (name, text) => table(name).getByRole("row").filter({ hasText: text });
  const test = (webhook) => page.getByRole("button", { name: `Send a test: ${webhook}`, exact: true });
  await step("the rules, and whom they tell", async () => {
    await signIn(page, settings.token);
    await open(page, "Alerts");
    await page.getByText("Nothing is amiss.").waitFor();
    const rule = rowOf("Rules in force", "a key is refused more than ");
    await rule.getByRole("rowheader", { name: settings.rule, exact: true }).waitFor();
    await rule.getByText("No such webhook:").waitFor();
    await rule.getByText("gone", { exact: true }).waitFor();
    await rowOf("Rules in force", "quiet").getByText("muted", { exact: true }).waitFor();
    expect((await page.getByRole("link", { name: "Edit them with the plans" }).count()) === 1, "the way to the plans");
    await rowOf("Webhooks", "takes").getByText("none yet").waitFor();
  });
  await step("a test, by the keyboard", async () => {
    await test("takes").focus();
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("takes has taken the test", { exact: true }).waitFor();
    const isThere = await test("takes").evaluate((button) => button === document.activeElement);
    expect(isThere, "the focus stays where it was");
    await rowOf("Webhooks", "takes").getByText("taken", { exact: true }).waitFor();
  });
  await step("a test that is not taken", async () => {
    await test("moved").click();
    await page.getByRole("alert").getByText("moved has refused the test with 302", { exact: true }).waitFor();
    await rowOf("Webhooks", "moved").getByText("refused with 302").waitFor();
    await accessible(page);
  });
  await step("an incident opens while somebody looks", async () => {
    for (let number = 0; number < settings.served; number += 1) expect((await chat()) === 200, "it is served");
    for (let number = 0; number < settings.refused; number += 1) expect((await chat()) === 429, "it is refused");
    const begun = performance.now();
    const row = rowOf("Open incidents", settings.rule);
    await row.getByText(/^Refused \d+ times within 5m$/).waitFor({ timeout: OPENS_MS });
    const shown = Math.round(performance.now() - begun);
    await row.getByRole("link").and(page.locator(`[href="#/keys/${settings.keyId}"]`)).waitFor();
    return `within ${shown} ms`;
  });
  await fitsEverybody({ page, step }, "alerts-told");
  await step("the overview says so, and leads there", async () => {
    await page.getByRole("button", { name: "English", exact: true }).click();
    await open(page, "Overview");
    await page.getByRole("link", { name: "1 incident is open" }).click();
    await page.getByRole("heading", { level: 1, name: "Alerts" }).waitFor();
    await rowOf("Open incidents", settings.rule).waitFor();
  });
  await step("a page that is shown again asks at once", async () => {
    await hide(page, true);
    const asks = (request) => new URL(request.url()).pathname === "/admin/v1/alerts";
    await Promise.all([page.waitForRequest(asks, { timeout: 5_000 }), hide(page, false)]);
  });
  for (const [scope, tests] of [
    ["read", 0],
    ["plans", 2],
  ]) {
    await step(`a token with the scope ${scope}`, async () => {
      await page.getByRole("button", { name: "Sign out" }).click();
      await signIn(page, settings.scoped[scope]);
      await open(page, "Alerts");
      await rowOf("Webhooks", "takes").waitFor();
      expect((await page.getByRole("button", { name: /^Send a test/ }).count()) === tests, "buttons");
      await accessible(page);
    });
  }

  async function chat() {
    const answer = await fetch(`${settings.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${settings.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: settings.model, max_tokens: 4, messages: [{ role: "user", content: "x" }] }),
    });
    await answer.text();
    return answer.status;
  }
});
