// What the page on usage asks the API for: a page of lines, or of several pages their sums, and all pages of CSV.

import type { Api } from "../api/client.ts";
import { Refused } from "../api/refusal.ts";
import { type Line, type Name, joined, lines } from "./lines.ts";
import { type Chosen, type Over, type Unit, asked, dayOf, unitOf } from "./range.ts";

/** What is chosen, in all. */
export interface Choice extends Chosen {
  over: Over;
  by: Name[];
  account: string;
  key: string;
}

/** What was found, and for which query. */
export interface Found {
  query: ReturnType<typeof queryOf>;
  from: string;
  to: string;
  currency: string | null;
  lines: Line[];
  by: Name[];
  unit: Unit | undefined;
  /** Accounts that could not be asked. */
  unread: string[];
  next: string | undefined;
}

type Asking = Pick<Api, "ask" | "read">;

/** The last 24 hours, of the account or the key that an address names. */
export function firstChoice(named: string, now: number): Choice {
  const isKey = named.startsWith("key_");
  return {
    range: "day",
    first: dayOf(now),
    last: dayOf(now),
    over: "auto",
    by: [],
    account: isKey ? "" : named,
    key: isKey ? named : "",
  };
}

/** Asks for lines. Without accounts, the lines of several pages are added up: the API always tells accounts apart. */
export async function gather(
  api: Asking,
  isAdmin: boolean,
  choice: Choice,
  after: string | undefined,
  now: number,
  signal: AbortSignal,
): Promise<Found> {
  const query = queryOf(choice, isAdmin, now);
  const unit = unitOf(choice.over, choice, now);
  const isApart = choice.by.includes("account");
  const ask = async (after: string | undefined) =>
    (await patiently(() => api.ask(routeOf(isAdmin), { query: { ...query, ...behind(after) }, signal }), signal)).body;
  let page = await ask(after);
  let all = page.data;
  const unread = [...(page.unread ?? [])];
  let found = lines(all, choice.by, unit);
  for (let read = 1; page.next !== undefined && !isApart && found.length < MOST_LINES && read < MOST_PAGES; read += 1) {
    page = await ask(page.next);
    all = [...all, ...page.data];
    unread.push(...(page.unread ?? []));
    found = lines(all, choice.by, unit);
  }
  const { from, to, next } = page;
  const currency = typeof page.currency === "string" ? page.currency : null;
  return { query, from, to, currency, lines: found, by: choice.by, unit, unread, next };
}

/** All pages of CSV as one file, of the hours that `found` is about. `onPage` is told which page is read. */
export async function readCsv(
  api: Asking,
  isAdmin: boolean,
  found: Found,
  signal: AbortSignal,
  onPage: (number: number) => void,
): Promise<string> {
  const { query, from, to } = found;
  const pages: string[] = [];
  let after: string | null = null;
  do {
    onPage(pages.length + 1);
    const of = { ...query, from, to, format: "csv" as const, ...behind(after) };
    const ask = () => api.read(routeOf(isAdmin), { query: of, signal });
    const page: Awaited<ReturnType<Api["read"]>> = await patiently(ask, signal);
    pages.push(page.text);
    after = page.headers.get("x-sluice-next");
  } while (after !== null);
  return joined(pages);
}

// What is asked too quickly is asked again when the refusal says so.
async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const wait = error instanceof Refused && error.status === 429 ? error.retryAfterMs : null;
      if (wait === null || wait > LONGEST_WAIT_MS) throw error;
      await new Promise<void>((done, stop) => {
        const timer = setTimeout(done, wait);
        const end = () => {
          clearTimeout(timer);
          stop(error);
        };
        signal.addEventListener("abort", end, { once: true });
        if (signal.aborted) end();
      });
    }
  }
}

/** Whether there are pictures to show. */
export function hasImages(found: Found): boolean {
  return found.lines.some((line) => line.sums.images > 0n);
}

/** Whether there is money to show: plans may have no prices. */
export function hasMoney(found: Found): boolean {
  return found.currency !== null || found.lines.some((line) => line.sums.nanos > 0n);
}

// The query, without the place in a list. A caller has neither accounts nor keys to choose from.
function queryOf(choice: Choice, isAdmin: boolean, now: number) {
  const unit = unitOf(choice.over, choice, now);
  const by = [...choice.by.filter((name) => name !== "account"), ...(unit ? [unit] : [])];
  const [account, key] = [choice.account.trim(), choice.key.trim()];
  return {
    ...asked(choice, now),
    ...(by.length === 0 ? {} : { by: by.join(",") }),
    ...(isAdmin && account !== "" ? { account } : {}),
    ...(isAdmin && key !== "" ? { key } : {}),
  };
}

function routeOf(isAdmin: boolean) {
  return isAdmin ? "GET /admin/v1/usage" : "GET /v1/usage";
}

function behind(after: string | null | undefined): { after?: string } {
  return after == null ? {} : { after };
}

/** As many lines as a page of the API has. */
const MOST_LINES = 1_000;
/** As many pages are added up: each asks 25 accounts. */
const MOST_PAGES = 40;
// A wait that a person does not sit through.
const LONGEST_WAIT_MS = 15_000;
