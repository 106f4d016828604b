// Every page, in both languages and both themes, on a wide screen and a narrow one: axe finds nothing, nothing is wider
// than the screen, and each is photographed.

import { accessible, expect, run, settings, signIn } from "./browser.mjs";

const SCREENS = { wide: { width: 1280, height: 860 }, narrow: { width: 375, height: 780 } };
const { paths } = settings;

await run(async ({ page, step }) => {
  await step("sign-in page", async () => {
    await page.goto(`${settings.url}/console/`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await each("sign-in", async () => {});
  });
  await step("sign in", async () => {
    await signIn(page, settings.token);
    await fill();
  });
  for (const [name, path] of Object.entries(paths)) {
    await step(name, () => each(name, () => show(path)));
  }
  await step("a draft of the plans that was tried", () => each("plans-tried", tried));
  await step("a language is kept as soon as it is chosen", async () => {
    for (const [name, language] of [
      ["中文", "zh"],
      ["English", "en"],
    ]) {
      // Loaded again before the page has drawn anything.
      await Promise.all([
        page.waitForEvent("load"),
        page.evaluate((name) => {
          [...document.querySelectorAll("button")].find((button) => button.textContent === name).click();
          location.reload();
        }, name),
      ]);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await page.waitForFunction((language) => document.documentElement.lang === language, language, { timeout: 5_000 });
    }
  });
  await step("keyboard alone", async () => {
    await page.goto(`${settings.url}/console/#/overview`);
    await page.reload();
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.keyboard.press("Tab");
    const skip = await page.evaluate(() => document.activeElement?.className);
    expect(skip === "skip", "the first stop leads to the page");
    await page.keyboard.press("Enter");
    expect((await page.evaluate(() => document.activeElement?.id)) === "main", "and it does");
    for (let stops = 0; stops < 40; stops += 1) {
      await page.keyboard.press("Shift+Tab");
      const text = await page.evaluate(() => document.activeElement?.textContent?.trim());
      if (text === "Keys") break;
    }
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
    expect((await page.evaluate(() => document.activeElement?.id)) === "main", "a new page has the focus");
  });

  // A page with what its address names; a form or a dialog is opened where the page has one.
  async function show(path) {
    await page.evaluate((hash) => (location.hash = hash), `#${path}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForFunction(() => !document.querySelector(".waiting, [aria-busy='true']"));
    if (path === paths.overview) await page.locator(".curves").waitFor();
  }

  // The plans have a draft that would refuse some of what the playground has asked for.
  async function tried() {
    await show(paths.plans);
    const text = page.locator("textarea.code");
    const draft = JSON.parse(await text.inputValue());
    draft.plans.team.limits[0].limit = 1;
    await text.fill(JSON.stringify(draft, null, 2));
    // What was asked for is kept a few seconds later.
    for (let tries = 0; (await page.locator(".replay .hits").count()) === 0; tries += 1) {
      expect(tries < 100, "somebody is hit");
      await page.locator(".replay button").click();
      await page.waitForTimeout(100);
    }
  }

  // The playground has an answer to show.
  async function fill() {
    await show("/playground");
    await page.getByLabel("API key").fill(settings.key);
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("done", { exact: true }).waitFor();
  }

  // Each language with one theme, and each of these looked at by axe on one screen: what it finds is of words, of
  // colours or of what fits, and never of two of them.
  async function each(name, prepare) {
    for (const [language, colorScheme] of [
      ["English", "light"],
      ["中文", "dark"],
    ]) {
      const button = page.getByRole("button", { name: language, exact: true });
      if (await button.isVisible()) await button.click();
      await page.emulateMedia({ colorScheme });
      await prepare();
      if (name === "playground") await answered(language);
      for (const [screen, size] of Object.entries(SCREENS)) {
        await page.setViewportSize(size);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(wide <= 0, `${name} is ${wide} px wider than its screen (${screen})`);
        if ((screen === "wide") === (colorScheme === "light")) await accessible(page);
        await page.screenshot({ path: `${settings.screens}/${name}-${colorScheme}-${screen}.png`, fullPage: true });
      }
    }
    await page.setViewportSize(SCREENS.wide);
    await page.getByRole("button", { name: "English", exact: true }).click();
  }

  async function answered(language) {
    await page.getByRole("button", { name: language === "English" ? "Send" : "发送", exact: true }).click();
    await page.getByText(language === "English" ? "done" : "已完成", { exact: true }).waitFor();
  }
}, true);
