import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlansReplay, ReplayChange, ReplayRefusals, ReplayReport, ReplayTally } from "../src/api/schema.ts";
import { compared, doubtsOf, easedOf, hitsOf, verdictOf } from "../src/plan/replay.ts";

const TALLY: ReplayTally = {
  asked: 10,
  let_through: 7,
  refused_by_limits: 2,
  not_allowed: 1,
  assumed: 0,
  unknown: 0,
  cut_short: 0,
  prompt_tokens: 140,
  completion_tokens: 35,
  cost: 0,
};
const report = (all: Partial<ReplayTally> = {}): ReplayReport => ({
  as_logged: 10,
  all: { ...TALLY, ...all },
  plans: {},
  limits: [],
  accounts: {},
  other_accounts: 0,
});
const refusals = (refused: number, first = 1000): ReplayRefusals => ({
  refused,
  never_pass: 0,
  first,
  last: first,
  longest_wait_ms: 60_000,
});
const change = (newly_refused: number, refused_by: ReplayChange["refused_by"], more: Partial<ReplayChange> = {}) => ({
  newly_refused,
  newly_not_allowed: 0,
  refused_by,
  newly_let_through: 0,
  ...more,
});

function told(accounts: Record<string, ReplayChange>, more: Partial<PlansReplay> = {}, others = 0): PlansReplay {
  const sum = (member: "newly_refused" | "newly_let_through") =>
    Object.values(accounts).reduce((all, one) => all + one[member], 0);
  return {
    kept: { since: 1, until: 2, lines: 10, one_in: 1, left_out: 0, lost: 0 },
    lines: { read: 10, replayed: 10, unknown_plan: 0 },
    first: 1,
    last: 2,
    candidate: report(),
    against: report(),
    difference: {
      newly_refused: sum("newly_refused"),
      newly_let_through: sum("newly_let_through"),
      accounts,
      other_accounts: others,
    },
    ...more,
  };
}

test("what is said first: whom it hits", () => {
  assert.deepEqual(verdictOf(told({})), { kind: "same" });
  const eased = { a: change(0, {}, { newly_let_through: 3 }) };
  assert.deepEqual(verdictOf(told(eased)), { kind: "nobody", through: 3 });
  const hit = { a: change(2, { hour: refusals(2) }), b: change(0, {}, { newly_let_through: 1 }) };
  assert.deepEqual(verdictOf(told(hit)), { kind: "hit", requests: 2, accounts: 1, isMore: false });
});

test("what was tried on nothing hits nobody, and says so otherwise", () => {
  const kept = { since: 1, until: 2, lines: 0, one_in: 1, left_out: 0, lost: 0 };
  const none = { read: 0, replayed: 0, unknown_plan: 0 };
  assert.deepEqual(verdictOf(told({}, { kept, lines: none })), { kind: "empty" });
  const lines = { read: 10, replayed: 0, unknown_plan: 10 };
  assert.deepEqual(verdictOf(told({}, { lines })), { kind: "noneTried" });
});

test("how many accounts are hit is known, unless all that are named are hit and others are not named", () => {
  const two = { a: change(2, { hour: refusals(2) }), b: change(1, { hour: refusals(1) }) };
  assert.deepEqual(verdictOf(told(two, {}, 5)), { kind: "hit", requests: 3, accounts: 2, isMore: true });
  const eased = { ...two, c: change(0, {}, { newly_let_through: 1 }) };
  assert.deepEqual(verdictOf(told(eased, {}, 5)), { kind: "hit", requests: 3, accounts: 2, isMore: false });
});

test("who is hit most stands first, with the limits that refuse most first", () => {
  const found = hitsOf(
    told({
      "acct:00000000000000ab": change(2, { 10: refusals(1), day: refusals(1), 9: refusals(2) }),
      "jwt:corp:ff": change(5, { minute: refusals(3), none: refusals(0) }, { newly_not_allowed: 2 }),
      "acct:00000000000000aa": change(2, { hour: refusals(2, 77) }),
      "ip:203.0.113.9": change(0, {}, { newly_let_through: 4 }),
    }),
  );
  assert.deepEqual(
    found.map(({ account, requests, by, notAllowed }) => [account, requests, by.map((one) => one.limit), notAllowed]),
    [
      ["jwt:corp:ff", 5, ["minute"], 2],
      ["00000000000000aa", 2, ["hour"], 0],
      ["00000000000000ab", 2, ["9", "10", "day"], 0],
    ],
  );
  assert.deepEqual(found[1]?.by, [{ limit: "hour", ...refusals(2, 77) }]);
});

test("who is let through is another list, and one account may be in both", () => {
  const both = told({
    a: change(1, { hour: refusals(1) }, { newly_let_through: 1 }),
    b: change(0, {}, { newly_let_through: 9 }),
    c: change(1, { hour: refusals(1) }),
  });
  assert.deepEqual(easedOf(both), [
    { account: "b", requests: 9 },
    { account: "a", requests: 1 },
  ]);
  assert.deepEqual(
    hitsOf(both).map((hit) => hit.account),
    ["a", "c"],
  );
});

test("names that objects have by themselves are names like others", () => {
  const accounts = JSON.parse('{"__proto__": 1}') as Record<string, ReplayChange>;
  Object.defineProperty(accounts, "__proto__", { value: change(1, {}), enumerable: true });
  accounts.constructor = change(2, {}) as never;
  assert.deepEqual(
    hitsOf(told(accounts)).map((hit) => hit.account),
    ["constructor", "__proto__"],
  );
});

test("both tables stand side by side, and money where one of them has prices", () => {
  const names = (of: PlansReplay) => compared(of).map((one) => one.name);
  assert.deepEqual(names(told({})), [
    "let_through",
    "refused_by_limits",
    "not_allowed",
    "prompt_tokens",
    "completion_tokens",
    "cost",
  ]);
  const money = { amount: "0.05", currency: "USD" };
  const priced = compared(told({}, { candidate: report({ let_through: 5, money }) }));
  assert.deepEqual(priced[0], { name: "let_through", inForce: 7, draft: 5 });
  assert.deepEqual(priced.at(-1), { name: "money", inForce: undefined, draft: money });
});

test("what is only assumed is told where there is any", () => {
  assert.deepEqual(doubtsOf(TALLY), []);
  assert.deepEqual(doubtsOf({ ...TALLY, assumed: 2, cut_short: 1 }), [
    ["assumed", 2],
    ["cut_short", 1],
  ]);
});
