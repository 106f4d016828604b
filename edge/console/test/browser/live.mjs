// What an operator sees while others call: requests as they end, and which limit refuses. It all comes by itself.

import { accessible, expect, fitsEverybody, hide, open, run, settings, signIn } from "./browser.mjs";


await run(async ({ page, step }) => {
  const traffic = page.getByRole("region", { name: "Traffic", exact: true });
  const status = traffic.getByRole("status");
  const curve = (told) => traffic.getByRole("img", { name: told });
  const told = `: ${settings.limit} served, 0 cut short, 1 refused, 0 failed, 0 left by their callers; `;
  await step("sign in, and nothing has happened yet", async () => {
    await signIn(page, settings.token);
    await status.getByText("live", { exact: true }).waitFor();
    await curve(/^Requests by 5 seconds, from [\d:]+ to [\d:]+: 0 served, 0 cut short, 0 refused, /).waitFor();
    await traffic.getByText("No limit has refused.").waitFor();
    await accessible(page);
  });
  await step("what others ask for shows by itself, and which limit refused", async () => {
    // A sentence for whoever reads by ear says what is live; it is not to say so every few seconds.
    await status.evaluate((element) => {
      globalThis.changes = 0;
      const seen = new MutationObserver((all) => (globalThis.changes += all.length));
      seen.observe(element, { subtree: true, childList: true, characterData: true });
    });
    for (let number = 0; number < settings.limit; number += 1) expect((await chat()) === 200, "it is served");
    expect((await chat()) === 429, "its limit refuses");
    const begun = performance.now();
    await curve(told).waitFor();
    const shown = Math.round(performance.now() - begun);
    const refusals = traffic.getByRole("region", { name: "Refusals by limit" });
    await refusals.getByRole("row", { name: "team hour 1", exact: true }).waitFor();
    await traffic.getByText(/^rate_limit_exceeded 1$/).waitFor();
    // A rate is that of a step that is over.
    await curve(/^Tokens per second .*; (?!0 at most)[\d,.]+ at most/).waitFor();
    await curve(/^First token .*: half within [\d.]+m?s and 95% within \d/).waitFor();
    await curve(/^Requests in flight: \d+ now\. /).waitFor();
    await traffic.getByRole("row", { name: /^the only one is sent requests / }).waitFor();
    const models = traffic.getByRole("region", { name: "Models" });
    await models.getByRole("row").filter({ hasText: settings.model }).waitFor();
    expect((await page.evaluate(() => globalThis.changes)) === 0, "the line has said nothing meanwhile");
    return `within ${shown} ms`;
  });
  await step("the same as a table, by the keyboard", async () => {
    await traffic.getByText("The curves as a table").focus();
    await page.keyboard.press("Enter");
    const numbers = traffic.getByRole("region", { name: "The curves as a table" });
    await numbers.getByRole("rowheader").first().waitFor();
    const cells = await numbers.getByRole("row").evaluateAll((rows) =>
      rows.slice(2).map((row) => [...row.querySelectorAll("td")].map((cell) => Number(cell.textContent))),
    );
    const sum = (place) => cells.reduce((all, row) => all + row[place], 0);
    expect(sum(0) === settings.limit && sum(2) === 1, `served and refused: ${sum(0)} and ${sum(2)}`);
  });
  await step("pointing at a curve tells its moment", async () => {
    const box = await curve(told).boundingBox();
    await page.mouse.move(box.x + 2, box.y + box.height / 2);
    const legend = traffic.locator("figure").first().getByRole("listitem").first();
    await legend.getByText("0", { exact: true }).waitFor();
    await page.mouse.move(0, 0);
    await legend.getByText(String(settings.limit), { exact: true }).waitFor();
  });
  await fitsEverybody({ page, step }, "live");
  await step("another span", async () => {
    await page.getByRole("button", { name: "English", exact: true }).click();
    const spans = traffic.getByRole("group", { name: "Of the last" });
    await spans.getByRole("button", { name: "hour" }).click();
    await curve(new RegExp(`^Requests by 5 seconds, .*${told}`)).waitFor();
    await traffic.getByText("in the last hour", { exact: true }).first().waitFor();
    await spans.getByRole("button", { name: "day" }).click();
    await curve(new RegExp(`^Requests by minutes, .*${told}`)).waitFor();
    await page.screenshot({ path: `${settings.screens}/live-day.png`, fullPage: true });
    await spans.getByRole("button", { name: "5 minutes" }).click();
    await curve(new RegExp(`^Requests by 5 seconds, .*${told}`)).waitFor();
  });
  await step("a page that nobody sees asks for nothing, and goes on when it is shown", async () => {
    await Promise.all([page.waitForEvent("requestfailed", isStream), hide(page, true)]);
    const [again] = await Promise.all([page.waitForRequest(isStream), hide(page, false)]);
    expect(/[?&]since=\d+/.test(again.url()), `it goes on where it was: ${again.url()}`);
    await status.getByText("live", { exact: true }).waitFor();
    await curve(told).waitFor();
  });
  await step("a line that is broken says so, and when it was heard last", async () => {
    await hide(page, true);
    await page.route(isStream, (route) => route.abort());
    await hide(page, false);
    await status.getByText(/^Not connected\. Last heard at .*\d\d:\d\d:\d\d\.$/).waitFor();
    await accessible(page);
    await page.unroute(isStream);
    await status.getByText("live", { exact: true }).waitFor();
  });
  await step("whoever leaves the page leaves the stream", async () => {
    await Promise.all([page.waitForEvent("requestfailed", isStream), open(page, "Keys")]);
  });

  function isStream(request) {
    return String(request.url?.() ?? request).includes("/admin/v1/live/stream?");
  }

  async function chat() {
    const messages = [{ role: "user", content: "x" }];
    const answer = await fetch(`${settings.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${settings.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: settings.model, max_tokens: 16, stream: true, messages }),
    });
    await answer.text();
    return answer.status;
  }
});
