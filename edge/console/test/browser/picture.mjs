// A caller with a key draws a picture in the playground, watches it come, keeps it, stops one, is told of what is wrong
// at its place, and finds in its usage what was drawn.

import { readFileSync } from "node:fs";
import { accessible, expect, open, run, seen, settings, signIn } from "./browser.mjs";

const SCREENS = { wide: { width: 1280, height: 860 }, narrow: { width: 375, height: 780 } };

await run(async ({ page, step }) => {
  const card = page.getByRole("region", { name: "Picture", exact: true });
  const state = (text) => card.getByText(text, { exact: true });
  const draw = page.getByRole("button", { name: "Draw", exact: true });
  await step("a model that draws is asked for a picture", async () => {
    await signIn(page, settings.key);
    await open(page, "Playground");
    await page.getByLabel("Model").fill(settings.model);
    await page.getByLabel("What is to be seen").fill("a red <b>circle</b>");
    await page.getByLabel("Size").fill("64x64");
    await page.getByLabel("Seed").fill("7");
  });
  await step("it is seen while it is drawn", async () => {
    await page.getByLabel("Steps", { exact: true }).fill("50");
    await page.getByLabel("Size").fill(settings.large);
    await draw.click();
    await card.getByRole("progressbar", { name: "Steps" }).waitFor();
    await page.locator(".drawn.preview img").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await state("stopped").waitFor();
    expect((await card.getByRole("link", { name: "Save the picture" }).count()) === 0, "a preview is no picture");
  });
  await step("it is drawn to its end, as it was asked for", async () => {
    await page.getByLabel("Steps", { exact: true }).fill("4");
    await page.getByLabel("Size").fill("64x96");
    await draw.click();
    await state("done").waitFor();
    const image = card.getByRole("img", { name: "a red <b>circle</b>" });
    const size = await image.evaluate((one) => `${one.naturalWidth}x${one.naturalHeight}`);
    expect(size === "64x96", `it has ${size}`);
    expect((await card.getByText("4 / 4", { exact: true }).count()) === 1, "its steps");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      card.getByRole("link", { name: "Save the picture" }).click(),
    ]);
    expect(download.suggestedFilename() === "picture.png", download.suggestedFilename());
    const file = readFileSync(await download.path());
    expect(file.subarray(1, 4).toString() === "PNG", "the file is a PNG");
  });
  await step("what is wrong is told at its place, and costs nothing", async () => {
    await page.getByLabel("Size").fill("63x64");
    await draw.click();
    await state("refused").waitFor();
    await page.locator(".field", { has: page.getByLabel("Size") }).locator(".mistake").waitFor();
    await page.getByLabel("Size").fill("64x64");
  });
  await step("the page is for everybody", async () => {
    for (const [language, theme, wait] of [
      ["English", "light", "done"],
      ["中文", "dark", "已完成"],
    ]) {
      const button = page.getByRole("button", { name: language, exact: true });
      if (await button.isVisible()) await button.click();
      await page.emulateMedia({ colorScheme: theme });
      await page.locator("form button.main").click();
      await page.getByText(wait, { exact: true }).waitFor();
      for (const [screen, size] of Object.entries(SCREENS)) {
        await page.setViewportSize(size);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(wide <= 0, `${wide} px wider than its screen (${screen})`);
        await accessible(page);
        await page.screenshot({ path: `${settings.screens}/picture-${theme}-${screen}.png`, fullPage: true });
      }
      await page.setViewportSize(SCREENS.wide);
    }
    await page.getByRole("button", { name: "English", exact: true }).click();
    await page.emulateMedia({ colorScheme: "light" });
  });
  await step("its usage counts pictures and steps", async () => {
    await open(page, "Usage");
    await page.getByLabel("Time steps").selectOption("whole range");
    await page.getByLabel("Model").check();
    const line = page.getByRole("row").filter({ hasText: settings.model });
    // One was stopped on its way: it is one picture, and as many steps as were computed.
    await seen(page, line.getByRole("cell").filter({ hasText: /^4$/ }));
    const heads = await page.getByRole("columnheader").allInnerTexts();
    expect(heads.includes("Images") && heads.includes("Image steps"), `columns: ${heads}`);
    for (const [screen, size] of Object.entries(SCREENS)) {
      await page.setViewportSize(size);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(wide <= 0, `${wide} px wider than its screen (${screen})`);
      await page.screenshot({ path: `${settings.screens}/usage-pictures-${screen}.png`, fullPage: true });
    }
    await accessible(page);
  });
});
