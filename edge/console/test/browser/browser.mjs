// What every scenario in Chromium needs: the browser, steps that are told one by one, and watches over all of it.
//
// usage: node SCENARIO.mjs SETTINGS
//
// SETTINGS: JSON with `url` (the edge's address), `chromium`, `profile` and `screens` (folders), and what the scenario
// wants. Each step is told as a line of JSON; the first that fails ends it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export const settings = JSON.parse(process.argv[2]);

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// A loaded machine takes long for everything; nothing waits so long when all is well.
const PATIENCE = 30_000;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--no-proxy-server",
];

// Runs a scenario with a page of its own and ends the process. Where steps do not need each other, all are taken.
export async function run(scenario, takesAll = false) {
  const context = await chromium.launchPersistentContext(settings.profile, {
    executablePath: settings.chromium,
    args: FLAGS,
    viewport: { width: 1280, height: 860 },
    locale: "en-GB",
    timezoneId: "UTC",
    reducedMotion: "reduce",
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: settings.url });
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(PATIENCE);
  const watched = await watch(page);
  let isGood = true;
  const step = async (name, act) => {
    const begun = performance.now();
    const told = { step: name, ok: true, seen: null, trouble: null };
    try {
      told.seen = (await act()) ?? null;
      if (watched.length > 0) throw new Error(watched.splice(0).join("\n"));
    } catch (error) {
      isGood = false;
      const screen = `${settings.screens}/failed-${name.replace(/[^a-z0-9]+/gi, "-")}.png`;
      await page.screenshot({ path: screen, fullPage: true }).catch(() => {});
      Object.assign(told, { ok: false, trouble: `${error.message ?? error}\n${screen}` });
    }
    console.log(JSON.stringify({ ...told, ms: Math.round(performance.now() - begun) }));
    if (!told.ok && !takesAll) throw new Error("a step failed");
  };
  await scenario({ page, step }).catch((error) => {
    if (isGood) console.log(JSON.stringify({ step: "scenario", ok: false, trouble: `${error.stack}`, ms: 0 }));
    isGood = false;
  });
  await context.close();
  process.exit(isGood ? 0 : 1);
}

// What must not happen on any page: a script's error, something that the policy forbids, a word to another host, and a
// credential in an address.
async function watch(page) {
  const found = [];
  page.on("pageerror", (error) => found.push(`an error of a script: ${error.stack ?? error}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${settings.url}/`)) found.push(`a request to ${url}`);
    if (settings.secrets?.some((secret) => url.includes(secret))) found.push(`a credential in ${url}`);
  });
  page.on("framenavigated", (frame) => {
    if (settings.secrets?.some((secret) => frame.url().includes(secret))) found.push(`a credential in ${frame.url()}`);
  });
  await page.exposeFunction("toldOfViolation", (what) => found.push(`the policy was violated: ${what}`));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) =>
      globalThis.toldOfViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`),
    );
  });
  return found;
}

// Signs in with a credential.
export async function signIn(page, credential) {
  await page.goto(`${settings.url}/console/`);
  await page.getByLabel("Admin token or API key").fill(credential);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Pages", exact: true }).waitFor();
}

// Goes to a page by a link of its name, as a person does. The page before may have fields of the same names.
export async function open(page, name) {
  await page.getByRole("link", { name, exact: true }).first().click();
  await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
}

// Waits for something that is counted soon, and looks again until then.
export async function seen(page, what) {
  for (let tries = 0; (await what.count()) === 0; tries += 1) {
    expect(tries < 100, `seen: ${what}`);
    await page.getByRole("button", { name: "Look again" }).click();
    await page.waitForTimeout(100);
  }
}

// Tries the draft of a plan table on the last day, again until this is said of it: what was just asked for is kept a few
// seconds later. Returns the part of the page that tells it.
export async function tryDraft(page, verdict) {
  const card = page.getByRole("region", { name: "What the draft would have done", exact: true });
  const status = card.getByRole("status").first();
  for (let tries = 0; ; tries += 1) {
    const answered = page.waitForResponse((response) => new URL(response.url()).pathname === "/admin/v1/plans/replay");
    await Promise.all([answered, card.getByRole("button", { name: "Try on the last day" }).click()]);
    await status.getByText("Trying…", { exact: true }).waitFor({ state: "detached" });
    const said = await status.innerText();
    if (verdict.test(said)) return card;
    expect(tries < 100, `${verdict} is said: ${said}`);
    await page.waitForTimeout(100);
  }
}

// As if another tab had come before this one, or had gone.
export async function hide(page, isHidden) {
  await page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
}

// Whatever axe finds is a mistake. It looks at the page as it is now.
export async function accessible(page) {
  // Run by the debugger, which the page's policy does not bind.
  const found = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"] })`);
  const told = found.violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes.map((node) => `  ${node.html}\n  ${node.failureSummary}`).join("\n")}`,
  );
  if (told.length > 0) throw new Error(`axe found:\n${told.join("\n")}`);
  return found.passes.length;
}

// Fails with a name.
export function expect(is, what) {
  if (!is) throw new Error(`not so: ${what}`);
}

// A wide screen and a telephone's.
const SCREENS = { wide: { width: 1280, height: 860 }, narrow: { width: 375, height: 780 } };

// Steps: the page that is shown has nothing that axe finds, and is no wider than its screen, light and dark, in both languages.
export async function fitsEverybody({ page, step }, name) {
  for (const [language, colorScheme] of [
    ["English", "light"],
    ["中文", "dark"],
  ]) {
    await step(`axe finds nothing, in ${language}`, async () => {
      const button = page.getByRole("button", { name: language, exact: true });
      if (await button.isVisible()) await button.click();
      await page.emulateMedia({ colorScheme });
      for (const [screen, size] of Object.entries(SCREENS)) {
        await page.setViewportSize(size);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(wide <= 0, `the page is ${wide} px wider than its screen (${screen})`);
        await accessible(page);
        await page.screenshot({ path: `${settings.screens}/${name}-${colorScheme}-${screen}.png`, fullPage: true });
      }
      await page.setViewportSize(SCREENS.wide);
    });
  }
}
