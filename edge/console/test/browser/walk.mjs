// One walk through all that an operator has: a key is called until its limit refuses, the refusal shows while somebody
// looks, a lower plan is tried before it is put in force, a budget of money refuses at its last cent, somebody is told,
// and all of it is in the audit log.

import { accessible, expect, fitsEverybody, open, run, seen, settings, signIn, tryDraft } from "./browser.mjs";

// What is counted comes to whoever looks after a few seconds, and is looked at every ten.
const OPENS_MS = 90_000;
const NANOS = 1_000_000_000n;
const NAME = "the walk";

const { limit, lowered, budget, model } = settings;
const price = BigInt(settings.priceNanos);
const key = { secret: "", id: "", account: "" };

await run(async ({ page, step }) => {
  const table = (name) => page.getByRole("region", { name, exact: true });
  await step("sign in", () => signIn(page, settings.token));
  await step("make a key with its plan", async () => {
    await open(page, "Keys");
    await open(page, "New key");
    await page.getByLabel("Name").fill(NAME);
    await page.getByLabel("Plan").selectOption("team");
    await page.getByRole("button", { name: "Make the key" }).click();
    await page.getByRole("button", { name: "Copy the secret" }).click();
    await page.getByText("Copied").waitFor();
    key.secret = await page.evaluate(() => navigator.clipboard.readText());
    settings.secrets.push(key.secret);
    const { data } = await ask("GET", `/admin/v1/keys?name=${encodeURIComponent(NAME)}`, settings.token);
    expect(data.length === 1, `one key has this name: ${data.length}`);
    [key.id, key.account] = [data[0].id, data[0].account];
    return `${key.id} of ${key.account}`;
  });
  await step("call it in the playground", async () => {
    await page.getByRole("button", { name: "Try it in the playground" }).click();
    await writeMessage();
    for (let sent = 0; sent < settings.inPlayground; sent += 1) expect((await send()) === "done", "it is served");
    return `${await tokensShown()} tokens each`;
  });
  await step("its limit refuses, which the overview shows at once", async () => {
    await open(page, "Overview");
    const traffic = page.getByRole("region", { name: "Traffic", exact: true });
    await traffic.getByRole("status").getByText("live", { exact: true }).waitFor();
    for (let sent = settings.inPlayground; sent < limit; sent += 1) {
      expect((await chat()).status === 200, "it is served");
    }
    const refused = await chat();
    const begun = performance.now();
    expect(refused.status === 429 && refused.body.error.code === "rate_limit_exceeded", JSON.stringify(refused.body));
    const counted = `: ${limit} served, 0 cut short, 1 refused, 0 failed, 0 left by their callers; `;
    await Promise.all([
      traffic.getByRole("img", { name: counted }).waitFor(),
      table("Refusals by limit").getByRole("row", { name: "team hour 1", exact: true }).waitFor(),
    ]);
    const shown = Math.round(performance.now() - begun);
    await page.screenshot({ path: `${settings.screens}/walk-refused.png`, fullPage: true });
    expect(shown <= settings.shownMs, `it shows within ${settings.shownMs} ms: ${shown} ms`);
    return `within ${shown} ms`;
  });
  await step("a lower plan is tried, and it is said who is hit", async () => {
    await open(page, "Plans");
    await page.getByLabel("Plan", { exact: true }).selectOption("team");
    await page.getByLabel("At most", { exact: true }).first().fill(String(lowered));
    const hit = limit - lowered;
    const card = await tryDraft(page, new RegExp(`^Requests newly refused: ${hit}\\. Accounts hit: 1\\.$`));
    await card.getByText(new RegExp(`^Requests tried: ${limit + 1}, all of every account from `)).waitFor();
    const both = table("Both tables");
    await both.getByRole("row", { name: `Let through ${limit} ${lowered}`, exact: true }).waitFor();
    await both.getByRole("row", { name: `Refused by limits 1 ${hit + 1}`, exact: true }).waitFor();
    const row = table("Newly refused").getByRole("row").filter({ hasText: key.account });
    await row.getByRole("link").and(page.locator(`[href="#/accounts/${key.account}"]`)).waitFor();
    const cells = await row.getByRole("cell").allInnerTexts();
    expect(cells[0] === String(hit) && /^hour\s+\d+$/.test(cells[1]), `how many, and by which limit: ${cells}`);
    expect(/^(59m|1h)/.test(cells.at(-1)), `the longest wait: ${cells.at(-1)}`);
    expect((await table("Newly let through").count()) === 0, "nobody is newly let through");
    return [key.account, ...cells].join(" | ").replace(/\s+/g, " ");
  });
  await fitsEverybody({ page, step }, "walk-tried");
  await step("it is put in force", async () => {
    await page.getByRole("button", { name: "English", exact: true }).click();
    await page.getByRole("button", { name: "Put in force" }).click();
    await page.getByText("The table is in force").waitFor();
    expect((await page.getByRole("button", { name: "Try on the last day" }).count()) === 0, "there is no draft to try");
    // It holds everywhere within five seconds.
    const begun = performance.now();
    for (let tries = 0; ; tries += 1) {
      const hour = (await ownLimit("hour")).limit;
      if (Number(hour) === lowered) return `${hour} an hour, after ${Math.round(performance.now() - begun)} ms`;
      expect(tries < 100, `the limit is lower: ${hour}`);
      await page.waitForTimeout(100);
    }
  });
  await step("the key gets a plan with a budget", async () => {
    await open(page, "Keys");
    await page.getByRole("link", { name: NAME, exact: true }).click();
    await page.getByRole("button", { name: "Change", exact: true }).click();
    await page.getByLabel("Plan").selectOption("paid");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Change", exact: true }).waitFor();
    await page.getByRole("definition").getByText("paid", { exact: true }).waitFor();
  });
  await step("the budget lets through as much as it is worth, and refuses at its last cent", async () => {
    const each = BigInt(settings.tokens) * price;
    const fit = Number(nanos(budget) / each);
    let served = 0n;
    for (let sent = 0; sent + 1 < fit; sent += 1) {
      const { status, body } = await chat();
      expect(status === 200, JSON.stringify(body));
      served += BigInt(body.usage.prompt_tokens + body.usage.completion_tokens) * price;
    }
    await open(page, "Playground");
    await writeMessage();
    expect((await send()) === "done", "the last one that fits is served");
    served += BigInt(await tokensShown()) * price;
    const now = await settled();
    expect(nanos(now.used) === served, `what was served is what is used: ${decimal(served)} and ${now.used}`);
    expect(served === nanos(budget), `to the last cent: ${decimal(served)} of ${budget}`);
    expect((await send()) === "refused", "one more is refused");
    await page.getByRole("alert").getByText("429 budget_exceeded").waitFor();
    const said = await page.getByRole("alert").getByText(/^Over the limit /).innerText();
    await page.getByText("This limit refused.").waitFor();
    const bar = page.getByRole("meter", { name: "money", exact: true });
    const [full, whole] = [await bar.getAttribute("aria-valuenow"), await bar.getAttribute("aria-valuemax")];
    const isAll = full === whole && nanos(budget) === BigInt(whole) * 1_000n;
    expect(isAll, `the bar is full: ${full} of ${whole} millionths`);
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/walk-budget.png`, fullPage: true });
    const then = await settled();
    expect(then.used === now.used, `a refusal costs nothing: ${then.used}`);
    return `${fit} served for ${decimal(served)} of ${budget} USD. ${said}`;
  });
  await step("the usage page has the same money", async () => {
    await open(page, "Usage");
    await page.getByRole("checkbox", { name: "Key" }).check();
    await page.getByLabel("Time steps").selectOption("whole range");
    const lines = page.getByRole("region", { name: "Usage", exact: true });
    const all = BigInt(limit) * BigInt(settings.tokens) * price + nanos(budget);
    await seen(page, lines.getByRole("cell", { name: decimal(all), exact: true }));
    await seen(page, lines.getByText(/^money 1$/));
    await seen(page, lines.getByText(/^hour 1$/));
    await page.screenshot({ path: `${settings.screens}/walk-usage.png`, fullPage: true });
    return `${decimal(all)} USD in all`;
  });
  await step("somebody is told", async () => {
    const begun = performance.now();
    await open(page, "Alerts");
    const incident = table("Open incidents").getByRole("row").filter({ hasText: settings.rule });
    await incident.getByText("100 % used up", { exact: true }).waitFor({ timeout: OPENS_MS });
    // Alerts name an account as its Gate is named.
    const account = `#/accounts/${encodeURIComponent(`acct:${key.account}`)}`;
    await incident.getByRole("link").and(page.locator(`[href="${account}"]`)).waitFor();
    const webhook = table("Webhooks").getByRole("row").filter({ hasText: settings.webhook });
    await webhook.getByText("taken", { exact: true }).waitFor({ timeout: OPENS_MS });
    await page.screenshot({ path: `${settings.screens}/walk-told.png`, fullPage: true });
    return `within ${Math.round(performance.now() - begun)} ms of looking`;
  });
  await step("all of it is in the audit log, whose chain is whole", async () => {
    await open(page, "Audit log");
    for (const action of ["key.create", "plans.put", "key.change"]) {
      await page.getByRole("cell", { name: action, exact: true }).first().waitFor();
    }
    const actions = await page.getByRole("row").locator("td:nth-of-type(1)").allInnerTexts();
    expect(actions.join() === "key.change,plans.put,key.create", `this and nothing else: ${actions}`);
    await page.getByRole("button", { name: "Verify the chain" }).click();
    const whole = page.getByText(/^All \d+ entries are whole and unchanged$/);
    await whole.waitFor();
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/walk-audit.png`, fullPage: true });
    return whole.innerText();
  });
  await step("the key's own page says the same", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, key.secret);
    const bar = page.getByRole("meter", { name: "money", exact: true });
    await bar.waitFor();
    expect((await bar.getAttribute("aria-valuenow")) === (await bar.getAttribute("aria-valuemax")), "the bar is full");
    await accessible(page);
    await page.screenshot({ path: `${settings.screens}/walk-own.png`, fullPage: true });
    return bar.getAttribute("aria-valuetext");
  });

  async function writeMessage() {
    await page.getByLabel("Message", { exact: true }).fill(settings.message);
    await page.getByLabel("Tokens at most").fill(String(settings.maxTokens));
  }

  // Sends what the playground has written; how it ended.
  async function send() {
    await page.getByRole("button", { name: "Send" }).click();
    const end = page.getByRole("region", { name: "Answer" }).getByRole("status").first();
    await end.getByText(/^(done|refused)$/).waitFor();
    return end.innerText();
  }

  // How many tokens the playground says that its answer used.
  async function tokensShown() {
    const facts = page.getByRole("region", { name: "Answer" }).locator("dl > div");
    const one = (name) => facts.filter({ hasText: name }).locator("dd").innerText();
    const [prompt, completion] = [await one("Prompt tokens"), await one("Completion tokens")];
    const all = Number(prompt) + Number(completion);
    expect(all === settings.tokens, `tokens of the prompt and of the answer: ${prompt} and ${completion}`);
    return all;
  }

  // The budget, once nothing runs any more.
  async function settled() {
    for (let tries = 0; ; tries += 1) {
      const own = await ask("GET", "/v1/key", key.secret);
      if (own.live_leases === 0) return own.limits.find((one) => one.name === "money");
      expect(tries < 100, `nothing runs any more: ${own.live_leases}`);
      await page.waitForTimeout(100);
    }
  }
});

async function ownLimit(name) {
  return (await ask("GET", "/v1/key", key.secret)).limits.find((one) => one.name === name);
}

async function ask(method, path, credential) {
  const answer = await fetch(settings.url + path, { method, headers: { authorization: `Bearer ${credential}` } });
  expect(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

async function chat() {
  const answer = await fetch(`${settings.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.secret}`, "content-type": "application/json" },
    body: JSON.stringify({
      model,
      max_tokens: settings.maxTokens,
      messages: [{ role: "user", content: settings.message }],
    }),
  });
  return { status: answer.status, body: await answer.json() };
}

// A decimal of at most nine places in billionths, exactly.
function nanos(text) {
  const [whole, fraction = ""] = String(text).split(".");
  expect(/^\d+$/.test(whole) && /^\d{0,9}$/.test(fraction), `a decimal: ${text}`);
  return BigInt(whole) * NANOS + BigInt(fraction.padEnd(9, "0"));
}

// And back, with two places or as many as it has.
function decimal(value) {
  const fraction = String(value % NANOS)
    .padStart(9, "0")
    .replace(/0{1,7}$/, "");
  return `${value / NANOS}.${fraction}`;
}
