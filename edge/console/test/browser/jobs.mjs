// What an operator sees of an account's batches: how far each is, and what was wrong with one; and ends one that runs.

import { accessible, expect, run, settings, signIn } from "./browser.mjs";

await run(async ({ page, step }) => {
  await step("sign in", () => signIn(page, settings.token));
  await step("how far batches are", async () => {
    await page.evaluate((hash) => (location.hash = hash), `#/accounts/${settings.account}`);
    await page.getByRole("heading", { name: "Batches and background" }).waitFor();
    const row = page.getByRole("row").filter({ hasText: settings.batch.slice(0, 10) }).first();
    await row.waitFor();
    await page.getByText("in progress", { exact: true }).waitFor();
    await page.getByText("failed", { exact: true }).first().waitFor();
    await page.getByRole("meter", { name: "Lines", exact: true }).first().waitFor();
    await accessible(page);
    await shots("running");
  });
  await step("end one", async () => {
    await page.getByRole("button", { name: `Cancel ${settings.batch}` }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(settings.batch).waitFor();
    await page.screenshot({ path: `${settings.screens}/jobs-dialog.png` });
    await dialog.getByRole("button", { name: "Cancel the batch" }).click();
    await page.getByText(/^(being cancelled|cancelled)$/).waitFor();
    expect((await page.getByRole("button", { name: `Cancel ${settings.batch}` }).count()) === 0, "it is ended once");
    await accessible(page);
  });
  await step("in Chinese and in the dark", async () => {
    await page.getByRole("button", { name: "中文", exact: true }).click();
    await page.emulateMedia({ colorScheme: "dark" });
    await page.getByRole("heading", { name: "批处理与后台任务" }).waitFor();
    await accessible(page);
    await shots("cancelled-dark");
  });

  async function shots(name) {
    for (const [screen, size] of [
      ["wide", { width: 1280, height: 860 }],
      ["narrow", { width: 375, height: 780 }],
    ]) {
      await page.setViewportSize(size);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(wide <= 0, `it is ${wide} px wider than its screen (${screen})`);
      await page.screenshot({ path: `${settings.screens}/jobs-${name}-${screen}.png`, fullPage: true });
    }
    await page.setViewportSize({ width: 1280, height: 860 });
  }
});
