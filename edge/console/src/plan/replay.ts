// What a draft would have made of the requests of the last day, as the page shows it: both tables side by side, who is
// newly refused by which limit, and who is newly let through.

import type { PlansReplay, ReplayChange, ReplayRefusals, ReplayTally } from "../api/schema.ts";

/** What is compared: whole numbers, but for money. */
export const COMPARED = [
  "let_through",
  "refused_by_limits",
  "not_allowed",
  "prompt_tokens",
  "completion_tokens",
  "cost",
  "money",
] as const;

/** What is said of the requests of which something is only assumed. */
export const DOUBTS = ["assumed", "unknown", "cut_short"] as const;

/** A measure by the table in force and by the draft. Money is a decimal in its currency, where the table has one. */
export interface Compared {
  name: (typeof COMPARED)[number];
  inForce: Amount;
  draft: Amount;
}

/** How much; money is a decimal. Nothing where a table has no prices. */
export type Amount = number | { amount: string; currency: string } | undefined;

/** An account that the draft refuses more. */
export interface Hit {
  account: string;
  /** How many of its requests the draft alone refuses. */
  requests: number;
  /** By which limits. A request that two limits refuse counts with each. */
  by: RefusedBy[];
  /** How many of the requests its plan does not allow, whatever its limits say. */
  notAllowed: number;
}

/** Refusals by one limit. */
export interface RefusedBy extends ReplayRefusals {
  limit: string;
}

/** An account that the draft refuses less. */
export interface Eased {
  account: string;
  /** How many of its requests the draft alone lets through. */
  requests: number;
}

/** What there is to say first. */
export type Verdict =
  | { kind: "empty" | "noneTried" | "same" }
  | { kind: "nobody"; through: number }
  /** `isMore`: the API has named that many accounts, and there may be more of them. */
  | { kind: "hit"; requests: number; accounts: number; isMore: boolean };

/**
 * Whom it hits: `empty` where no requests are kept, `noneTried` where both tables could be asked about none of them,
 * `same` where nothing changes, `nobody` where nobody is refused more.
 */
export function verdictOf(told: PlansReplay): Verdict {
  const { kept, lines, difference } = told;
  if (kept.lines === 0) return { kind: "empty" };
  if (lines.replayed === 0) return { kind: "noneTried" };
  const { newly_refused: requests, newly_let_through: through } = difference;
  if (requests > 0) {
    const [named, accounts] = [Object.keys(difference.accounts).length, hitsOf(told).length];
    // Whom it hits most are named first: where one is named that it does not hit, all others are not hit either.
    return { kind: "hit", requests, accounts, isMore: difference.other_accounts > 0 && accounts === named };
  }
  return through > 0 ? { kind: "nobody", through } : { kind: "same" };
}

/** Both tables side by side. Money is left out where neither has prices. */
export function compared(told: PlansReplay): Compared[] {
  const all = COMPARED.map((name) => ({ name, inForce: told.against.all[name], draft: told.candidate.all[name] }));
  return all.filter((one) => one.inForce !== undefined || one.draft !== undefined);
}

/** Of how many requests that the draft lets through something is only assumed, where there are any. */
export function doubtsOf(draft: ReplayTally): Array<[name: (typeof DOUBTS)[number], requests: number]> {
  return DOUBTS.map((name): [(typeof DOUBTS)[number], number] => [name, draft[name]]).filter(([, count]) => count > 0);
}

/** Who is newly refused: whom it hits most first. */
export function hitsOf(told: PlansReplay): Hit[] {
  const hits = changes(told).map(([account, change]) => ({
    account,
    requests: change.newly_refused,
    by: limitsOf(change),
    notAllowed: change.newly_not_allowed,
  }));
  return most(hits);
}

/** Who is newly let through: who gains most first. */
export function easedOf(told: PlansReplay): Eased[] {
  return most(changes(told).map(([account, change]) => ({ account, requests: change.newly_let_through })));
}

function changes(told: PlansReplay): Array<[account: string, change: ReplayChange]> {
  // The API's pages name an account by its id alone.
  return Object.entries(told.difference.accounts).map(([name, change]) => [name.replace(/^acct:/, ""), change]);
}

// Names that are numbers would stand first, whatever the API's order is.
function limitsOf(change: ReplayChange): RefusedBy[] {
  const all = Object.entries(change.refused_by).map(([limit, refused]) => ({ limit, ...refused }));
  const some = all.filter((one) => one.refused > 0);
  return some.sort((one, other) => other.refused - one.refused || order(one.limit, other.limit));
}

function most<T extends { account: string; requests: number }>(all: T[]): T[] {
  const some = all.filter((one) => one.requests > 0);
  return some.sort((one, other) => other.requests - one.requests || order(one.account, other.account));
}

function order(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
