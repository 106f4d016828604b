// Drives Open WebUI in Chromium as a person does, and prints what came of each step as a line of JSON.
//
// usage: drive.mjs SETTINGS
//
// SETTINGS: JSON with `url`, `chromium`, `profile`, `screens` (a folder), `connections` (of each kind its `model` and `key`),
// `edge` (where the keys are good) and `says` (what the model says).

import { chromium } from "playwright-core";

const { url, chromium: executablePath, profile, screens, connections, edge, says } = JSON.parse(process.argv[2]);
const PERSON = { name: "Ada", email: "ada@example.com", password: "correct horse battery" };
const PATIENCE = 60_000;

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  args: flags,
  viewport: { width: 1200, height: 800 },
});
const page = browser.pages()[0] ?? (await browser.newPage());
page.setDefaultTimeout(PATIENCE);

let number = 0;
let failed = false;

// What fails is told, with the page as it is then, and the next step is tried all the same.
async function step(name, act) {
  const begun = performance.now();
  let seen = null;
  let trouble = null;
  try {
    seen = (await act()) ?? null;
  } catch (error) {
    trouble = `${error.message ?? error}`.split("\n")[0];
    failed = true;
  }
  number += 1;
  const screen = `${screens}/${String(number).padStart(2, "0")}-${name.replace(/[^a-z0-9]+/gi, "-")}.png`;
  await page.screenshot({ path: screen });
  const ms = Math.round(performance.now() - begun);
  console.log(JSON.stringify({ step: name, ok: trouble === null, ms, seen, trouble, screen }));
}

const visible = (text) => page.getByText(text, { exact: false }).last().waitFor();

async function open(model) {
  await page.goto(`${url}/?models=${encodeURIComponent(model)}`);
  await page.locator("#chat-input").waitFor();
  const selector = page.locator("#model-selector-model-button");
  if ((await selector.innerText()).trim() !== model) {
    await selector.click();
    await page.locator(`[role=option][data-value="${model}"]`).click();
  }
  return (await selector.innerText()).trim();
}

async function say(text) {
  await page.locator("#chat-input").click();
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

// Uses a key's limit up: asks until it is refused.
async function spend(key) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = JSON.stringify({ model: "tiny", max_tokens: 1, messages: [{ role: "user", content: "x" }] });
  for (let tries = 0; tries < 200; tries += 1) {
    const { status } = await fetch(`${edge}/v1/chat/completions`, { method: "POST", headers, body });
    if (status === 429) return;
    if (status !== 200) throw new Error(`while the limit was used up: ${status}`);
  }
  throw new Error("the limit has no end");
}

await step("sign up", async () => {
  await page.goto(url);
  await page.getByRole("button", { name: "Get started" }).click();
  await page.locator("#name").fill(PERSON.name);
  await page.locator("#email").fill(PERSON.email);
  await page.locator("#password").fill(PERSON.password);
  await page.locator("button[type=submit]").first().click();
  // What is new in its version.
  await page.getByRole("button", { name: "Okay, Let's Go!" }).click();
  await page.locator("#chat-input").waitFor();
});

for (const [kind, { model, key }] of Object.entries(connections)) {
  await step(`${kind}: choose the model`, () => open(model));
  await step(`${kind}: chat`, async () => {
    await say("What does a gate do?");
    await visible(says.chat);
    // Its title comes of a request of its own.
    await page.getByText(says.title).first().waitFor();
  });
  await step(`${kind}: a second message`, async () => {
    await say("And again?");
    await page.getByText(says.chat).nth(1).waitFor();
  });
  await step(`${kind}: a tool`, async () => {
    await open(model);
    await say(says.ask);
    await visible(says.told);
    const text = await page.locator("body").innerText();
    if (text.includes("tool_call")) throw new Error("the person reads a mark of the model's");
    return text.match(/[^\n]*get_current_timestamp[^\n]*/)?.[0];
  });
  await step(`${kind}: a refusal by a limit`, async () => {
    await open(model);
    await spend(key);
    await say("One more?");
    const told = page.getByText(/limit/i).filter({ hasText: /retry|again/i }).last();
    await told.waitFor();
    return (await told.innerText()).trim();
  });
}

await browser.close();
process.exit(failed ? 1 : 0);
