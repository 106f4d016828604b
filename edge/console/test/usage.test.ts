import assert from "node:assert/strict";
import { test } from "node:test";
import type { UsageLine } from "../src/api/schema.ts";
import { Refused } from "../src/api/refusal.ts";
import { type Choice, firstChoice, gather, readCsv } from "../src/usage/ask.ts";
import { bins, highest, joined, lines, money, partOf, refusedOf, stack, toNanos, total } from "../src/usage/lines.ts";
import { type Chosen, asked, dayOf, timeText, unitOf } from "../src/usage/range.ts";

const NOW = Date.UTC(2026, 10, 30, 20, 15);

function chosen(range: Chosen["range"], first = "", last = ""): Chosen {
  return { range, first, last };
}

function line(more: Partial<UsageLine>): UsageLine {
  return {
    account: "a",
    served: 1,
    failed: 0,
    lapsed: 0,
    prompt_tokens: 10,
    cached_tokens: 4,
    completion_tokens: 3,
    thinking_tokens: 1,
    images: 0,
    image_steps: 0,
    cost: 13,
    money: "0.1",
    refused: {},
    ...more,
  };
}

test("a range is whole days of UTC, and the last of them belongs to it", () => {
  assert.equal(dayOf(NOW), "2026-11-30");
  assert.deepEqual(asked(chosen("day"), NOW), {});
  assert.deepEqual(asked(chosen("week"), NOW), { from: "2026-11-24" });
  assert.deepEqual(asked(chosen("days31"), NOW), { from: "2026-10-31" });
  assert.deepEqual(asked(chosen("month"), NOW), { from: "2026-11-01" });
  assert.deepEqual(asked(chosen("days", "2026-02-27", "2026-02-28"), NOW), { from: "2026-02-27", to: "2026-03-01" });
  assert.deepEqual(asked(chosen("days"), NOW), {});
});

test("a day that there is not goes to the API as it is, which says what is wrong", () => {
  for (const day of ["2026-13-01", "275760-09-13"]) {
    assert.deepEqual(asked(chosen("days", day, day), NOW), { from: day, to: day });
  }
});

test("short ranges are shown by the hour where hours are kept, and longer ones by the day", () => {
  for (const [of, unit] of [
    [chosen("day"), "hour"],
    [chosen("week"), "day"],
    [chosen("days31"), "day"],
    [chosen("month"), "day"],
    [chosen("days", "2026-11-29", "2026-11-30"), "hour"],
    [chosen("days", "2026-11-28", "2026-11-30"), "day"],
    [chosen("days", "2026-11-10", "2026-11-11"), "hour"],
    [chosen("days", "2026-10-10", "2026-10-10"), "day"],
    [chosen("days", "", "2026-11-10"), "hour"],
  ] as const) {
    assert.equal(unitOf("auto", of, NOW), unit, JSON.stringify(of));
  }
  assert.equal(unitOf("auto", chosen("month"), Date.UTC(2026, 11, 1, 9)), "hour");
  assert.equal(unitOf("hour", chosen("month"), NOW), "hour");
  assert.equal(unitOf("none", chosen("day"), NOW), undefined);
});

test("times are written to the minute, and days as they are", () => {
  assert.equal(timeText("2026-11-30T18:00:00.000Z"), "2026-11-30 18:00");
  assert.equal(timeText("2026-11-30"), "2026-11-30");
});

test("money is added exactly, which floats do not", () => {
  assert.notEqual(0.1 + 0.2, 0.3);
  assert.equal(money(toNanos("0.1") + toNanos("0.2"), "en"), "0.30");
  const many = Array.from({ length: 10 }, () => toNanos("12345678.000000001"));
  const sum = many.reduce((all, one) => all + one);
  assert.equal(money(sum, "en"), "123,456,780.00000001");
  assert.equal(money(toNanos("18446744073.709551615"), "en"), "18,446,744,073.709551615");
  for (const [text, shown] of [
    ["0", "0.00"],
    ["7", "7.00"],
    ["1.5", "1.50"],
    ["1.23", "1.23"],
    ["1.230", "1.23"],
    ["0.000000001", "0.000000001"],
  ] as const) {
    assert.equal(money(toNanos(text), "en"), shown);
  }
});

const DATA = [
  line({ account: "a", hour: "2026-11-30T19:00:00.000Z", model: "tiny", refused: { minute: 2 } }),
  line({ account: "a", hour: "2026-11-30T19:00:00.000Z", model: null, refused: { minute: 1, day: 1 } }),
  line({ account: "b", hour: "2026-11-30T18:00:00.000Z", model: "tiny", failed: 3, lapsed: 2 }),
  line({ account: "b", hour: "2026-11-30T19:00:00.000Z", model: "tiny", money: "0.2", refused: { day: 5 } }),
];

test("lines that are not told apart are added up, in order of time and name", () => {
  const found = lines(DATA, ["model"], "hour");
  assert.deepEqual(
    found.map(({ time, names, sums }) => [
      time?.slice(11, 13),
      names.model,
      sums.served,
      Object.fromEntries(sums.refused),
    ]),
    [
      ["18", "tiny", 1n, {}],
      ["19", "tiny", 2n, { minute: 2n, day: 5n }],
      ["19", null, 1n, { minute: 1n, day: 1n }],
    ],
  );
  const [all] = lines(DATA, [], undefined);
  assert.deepEqual([all?.names, all?.time, all?.sums.served, all?.sums.cost], [{}, undefined, 4n, 52n]);
});

test("accounts that are told apart stay in the order of the API", () => {
  const found = lines([...DATA].reverse(), ["account"], undefined);
  assert.deepEqual(
    found.map(({ names, sums }) => [names.account, sums.served]),
    [
      ["b", 2n],
      ["a", 2n],
    ],
  );
});

test("the sum of all lines is the sum of what the API told", () => {
  for (const by of [[], ["model"], ["account", "model"]] as const) {
    const sums = total(lines(DATA, [...by], "hour"));
    assert.equal(money(sums.nanos, "en"), "0.50");
    assert.deepEqual([sums.served, sums.failed, sums.lapsed, sums.prompt_tokens], [4n, 3n, 2n, 40n]);
    assert.deepEqual(Object.fromEntries(sums.refused), { minute: 3n, day: 6n });
    assert.equal(refusedOf(sums), 9n);
    assert.equal(partOf(sums, "refused"), 9n);
    assert.equal(partOf(sums, "nanos"), 500_000_000n);
  }
  assert.equal(refusedOf(total([])), 0n);
});

test("a name that every object has is a limit like others", () => {
  const data = [line({ refused: JSON.parse('{"__proto__": 2, "constructor": 1}') })];
  const [found] = lines([...data, ...data], [], undefined);
  assert.deepEqual(
    [...(found?.sums.refused ?? [])],
    [
      ["__proto__", 4n],
      ["constructor", 2n],
    ],
  );
});

test("there is a bar for every hour, also for those in which nothing was used", () => {
  const bars = bins(
    lines(DATA, [], "hour"),
    "2026-11-30T17:00:00.000Z",
    "2026-11-30T21:00:00.000Z",
    "hour",
    "requests",
  );
  assert.deepEqual(
    bars.map(({ time, parts }) => [time.slice(11, 13), ...parts]),
    [
      ["17", 0n, 0n, 0n, 0n],
      ["18", 1n, 2n, 0n, 3n],
      ["19", 3n, 0n, 9n, 0n],
      ["20", 0n, 0n, 0n, 0n],
    ],
  );
  assert.equal(highest(bars), 12n);
  assert.deepEqual(bars[2] && stack(bars[2], 12n), [
    [0, 25],
    [25, 25],
    [25, 100],
    [100, 100],
  ]);
});

test("days begin where the day does, also where the range does not", () => {
  const data = [line({ day: "2026-11-29" }), line({ day: "2026-11-30", money: "0.3" })];
  const [from, to] = ["2026-11-29T20:00:00.000Z", "2026-11-30T21:00:00.000Z"];
  const bars = bins(lines(data, [], "day"), from, to, "day", "money");
  assert.deepEqual(
    bars.map(({ time, parts }) => [time, ...parts]),
    [
      ["2026-11-29", 100_000_000n],
      ["2026-11-30", 300_000_000n],
    ],
  );
});

test("nothing is drawn of nothing, and large numbers keep their shares", () => {
  assert.equal(highest([]), 0n);
  assert.deepEqual(stack({ time: "", parts: [0n, 0n] }, 0n), [
    [0, 0],
    [0, 0],
  ]);
  const large = 10n ** 30n;
  assert.deepEqual(stack({ time: "", parts: [large, large] }, 4n * large), [
    [0, 25],
    [25, 50],
  ]);
});

// An API with so many pages, which remembers what it was asked.
function paged(pages: number, of: UsageLine[] = DATA) {
  const asked: string[] = [];
  const answer = (route: string, { query }: { query: Record<string, string> }) => {
    asked.push(`${route} ${new URLSearchParams(query)}`);
    const number = Number(query["after"] ?? 1);
    return number < pages ? String(number + 1) : undefined;
  };
  const ask = async (route: string, one: { query: Record<string, string> }) => {
    const next = answer(route, one);
    return {
      body: { from: "2026-11-29T21:00:00.000Z", to: "2026-11-30T21:00:00.000Z", currency: null, data: of, next },
    };
  };
  const read = async (route: string, one: { query: Record<string, string> }) => {
    const next = answer(route, one);
    return { text: "account,served\r\na,1\r\n", headers: new Headers(next ? { "x-sluice-next": next } : {}) };
  };
  return { asked, api: { ask, read } as unknown as Parameters<typeof gather>[0] };
}

function choice(more: Partial<Choice>): Choice {
  return { ...firstChoice("", NOW), ...more };
}

const SIGNAL = new AbortController().signal;

test("an address names an account or a key", () => {
  const named = (text: string) => [firstChoice(text, NOW).account, firstChoice(text, NOW).key];
  assert.deepEqual(named("ip:203.0.113.9"), ["ip:203.0.113.9", ""]);
  assert.deepEqual(named("key_a1"), ["", "key_a1"]);
  assert.deepEqual(named(""), ["", ""]);
});

test("pages are added up where accounts are not told apart, and read one by one where they are", async () => {
  const all = paged(3);
  const found = await gather(all.api, true, choice({ by: ["model"], key: " key_a1 " }), undefined, NOW, SIGNAL);
  assert.deepEqual([found.next, found.unit, found.lines.length], [undefined, "hour", 3]);
  assert.equal(total(found.lines).served, 12n);
  assert.deepEqual(all.asked, [
    "GET /admin/v1/usage by=model%2Chour&key=key_a1",
    "GET /admin/v1/usage by=model%2Chour&key=key_a1&after=2",
    "GET /admin/v1/usage by=model%2Chour&key=key_a1&after=3",
  ]);
  const one = paged(3);
  const page = await gather(one.api, true, choice({ by: ["account"], over: "none" }), "2", NOW, SIGNAL);
  assert.deepEqual([page.next, total(page.lines).served], ["3", 4n]);
  assert.deepEqual(one.asked, ["GET /admin/v1/usage after=2"]);
});

test("not more is added up than a page can show, and not for ever", async () => {
  const many = paged(1_000);
  assert.equal((await gather(many.api, true, choice({}), undefined, NOW, SIGNAL)).next, "41");
  const models = Array.from({ length: 600 }, (_, number) =>
    line({ model: `${number}`, hour: "2026-11-30T19:00:00.000Z" }),
  );
  const long = paged(1_000, [...models, ...models.map((one) => ({ ...one, model: `other-${one.model}` }))]);
  const found = await gather(long.api, true, choice({ by: ["model"] }), undefined, NOW, SIGNAL);
  assert.deepEqual([found.next, found.lines.length], ["2", 1200]);
});

test("a caller asks for itself", async () => {
  const { api, asked } = paged(1);
  await gather(api, false, choice({ account: "b", key: "key_b" }), undefined, NOW, SIGNAL);
  assert.deepEqual(asked, ["GET /v1/usage by=hour"]);
});

test("CSV is read to its last page, of the hours that the page shows", async () => {
  const { api, asked } = paged(2);
  const found = await gather(api, true, choice({ by: ["account"] }), "2", NOW, SIGNAL);
  const numbers: number[] = [];
  const csv = await readCsv(api, true, found, SIGNAL, (number) => numbers.push(number));
  assert.equal(csv, "account,served\r\na,1\r\na,1\r\n");
  assert.deepEqual(numbers, [1, 2]);
  const query = "by=hour&from=2026-11-29T21%3A00%3A00.000Z&to=2026-11-30T21%3A00%3A00.000Z&format=csv";
  assert.deepEqual(asked.slice(1), [`GET /admin/v1/usage ${query}`, `GET /admin/v1/usage ${query}&after=2`]);
});

test("what is asked too quickly is asked again, until the page is left", async () => {
  const { api, asked } = paged(3);
  const { read } = api;
  let refused = 0;
  const hasty = (status: number, retryAfterMs: number) => ({
    ...api,
    read: async (...one: Parameters<typeof read>) => {
      refused += 1;
      if (refused % 2 === 0) throw new Refused({ status, code: "rate_limited", message: "Wait.", retryAfterMs });
      return read(...one);
    },
  });
  const found = await gather(api, false, choice({}), undefined, NOW, SIGNAL);
  asked.length = 0;
  const csv = await readCsv(hasty(429, 1) as typeof api, false, found, SIGNAL, () => {});
  assert.deepEqual([csv.split("\r\n").length, asked.length, refused], [5, 3, 5]);
  for (const one of [hasty(503, 1), hasty(429, 3_600_000)]) {
    refused = 1;
    await assert.rejects(readCsv(one as typeof api, false, found, SIGNAL, () => {}), Refused);
  }
  const left = new AbortController();
  left.abort();
  refused = 1;
  await assert.rejects(readCsv(hasty(429, 10_000) as typeof api, false, found, left.signal, () => {}), Refused);
});

test("accounts that could not be asked are named", async () => {
  const { api } = paged(1);
  const ask = async (...one: Parameters<typeof api.ask>) => {
    const told = await api.ask(...one);
    return { ...told, body: { ...told.body, unread: ["ip:203.0.113.9"] } };
  };
  const found = await gather({ ...api, ask } as typeof api, true, choice({}), undefined, NOW, SIGNAL);
  assert.deepEqual(found.unread, ["ip:203.0.113.9"]);
});

test("pages of CSV are one file with one line of names", () => {
  const head = "account,served\r\n";
  assert.equal(joined([`${head}a,1\r\n`, `${head}b,2\r\nc,3\r\n`, head]), `${head}a,1\r\nb,2\r\nc,3\r\n`);
  assert.equal(joined([head]), head);
});
