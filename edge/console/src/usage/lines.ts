// Lines of usage: added up by what they are told apart by, and drawn as bars. Sums are whole numbers of any size.

import type { UsageLine } from "../api/schema.ts";
import type { Unit } from "./range.ts";

/** What lines are told apart by, besides time, in the order of the table. */
export const NAMES = ["account", "key", "model", "endpoint", "user"] as const;
export type Name = (typeof NAMES)[number];

/** Members that count something, in the order of the table. */
export const COUNTS = [
  "served",
  "failed",
  "lapsed",
  "prompt_tokens",
  "cached_tokens",
  "completion_tokens",
  "thinking_tokens",
  "images",
  "image_steps",
  "cost",
] as const;
export type Count = (typeof COUNTS)[number];

/** What was used. `nanos` is money, in nano-units of the currency. */
export interface Sums extends Record<Count, bigint> {
  nanos: bigint;
  refused: Map<string, bigint>;
}

/** One line of the table. A name is null where it was not told apart when it was counted. */
export interface Line {
  time: string | undefined;
  names: Partial<Record<Name, string | null>>;
  sums: Sums;
}

/** What a chart may show, and the parts that its bars are made of. */
export const MEASURES = {
  requests: ["served", "lapsed", "refused", "failed"],
  tokens: ["prompt_tokens", "completion_tokens"],
  cost: ["cost"],
  money: ["nanos"],
} as const;
export type Measure = keyof typeof MEASURES;
export type Part = (typeof MEASURES)[Measure][number];

/** A bar: an hour or a day, and how much each part is. */
export interface Bin {
  time: string;
  parts: bigint[];
}

/** A decimal of at most nine places, in nano-units. */
export function toNanos(decimal: string): bigint {
  const [whole = "", fraction = ""] = decimal.split(".");
  return BigInt(whole + fraction.slice(0, PLACES).padEnd(PLACES, "0"));
}

/** Nano-units as a decimal with the language's marks between thousands: two places, or as many as it has. */
export function money(nanos: bigint, language: string): string {
  const fraction = String(nanos % NANOS)
    .padStart(PLACES, "0")
    .replace(/0{1,7}$/, "");
  return `${whole(nanos / NANOS, language)}.${fraction}`;
}

/** A whole number with the language's marks between thousands. */
export function whole(value: bigint, language: string): string {
  return new Intl.NumberFormat(language).format(value);
}

/** Nothing used. */
export function nothing(): Sums {
  const counts = Object.fromEntries(COUNTS.map((count) => [count, 0n])) as Record<Count, bigint>;
  return { ...counts, nanos: 0n, refused: new Map() };
}

/** The API's lines, added up where they differ only by what is not told apart here. */
export function lines(data: UsageLine[], by: Name[], unit: Unit | undefined): Line[] {
  const found = new Map<string, Line>();
  for (const one of data) {
    const time = unit && one[unit];
    const names = Object.fromEntries(by.map((name) => [name, one[name] ?? null])) as Line["names"];
    const id = JSON.stringify([time, ...by.map((name) => names[name])]);
    const line = found.get(id) ?? { time, names, sums: nothing() };
    found.set(id, line);
    add(line.sums, sumsOf(one));
  }
  const all = [...found.values()];
  // One account after the other, as the API has them; without accounts their lines lie among each other.
  return by.includes("account") ? all : all.sort((one, other) => inOrder(one, other, by));
}

/** All lines together. */
export function total(of: Line[]): Sums {
  const all = nothing();
  for (const line of of) add(all, line.sums);
  return all;
}

/** How much of a part was used. A request that several limits refused counts with each. */
export function partOf(sums: Sums, part: Part): bigint {
  return part === "refused" ? refusedOf(sums) : sums[part];
}

/** How often limits refused, whichever. */
export function refusedOf(sums: Sums): bigint {
  return [...sums.refused.values()].reduce((all, one) => all + one, 0n);
}

/** A bar for each hour or day from `from` to before `to`, also for those in which nothing was used. */
export function bins(of: Line[], from: string, to: string, unit: Unit, measure: Measure): Bin[] {
  const parts = MEASURES[measure];
  const step = unit === "hour" ? HOUR_MS : 24 * HOUR_MS;
  const found = new Map<string, Bin>();
  for (let at = Math.floor(Date.parse(from) / step) * step; at < Date.parse(to); at += step) {
    const moment = new Date(at).toISOString();
    const time = unit === "hour" ? moment : moment.slice(0, 10);
    found.set(time, { time, parts: parts.map(() => 0n) });
  }
  for (const { time = "", sums } of of) {
    const bin = found.get(time);
    if (bin) bin.parts = bin.parts.map((sum, place) => sum + partOf(sums, parts[place] ?? parts[0]));
  }
  return [...found.values()];
}

/** How high the highest bar is. */
export function highest(of: Bin[]): bigint {
  return of.map(heightOf).reduce((most, one) => (one > most ? one : most), 0n);
}

/** Where a bar's parts begin and end, one on the other, in hundredths of the highest bar. */
export function stack(bin: Bin, most: bigint): Array<[begin: number, end: number]> {
  let below = 0n;
  return bin.parts.map((part) => {
    const begin = below;
    below += part;
    return [share(begin, most), share(below, most)];
  });
}

/** Pages of CSV as one: the names of the members stand in its first line alone. */
export function joined(pages: string[]): string {
  return pages
    .map((page, place) => (place === 0 ? page : page.slice(page.indexOf(LINE_END) + LINE_END.length)))
    .join("");
}

function sumsOf(line: UsageLine): Sums {
  const counts = Object.fromEntries(COUNTS.map((count) => [count, BigInt(line[count])])) as Record<Count, bigint>;
  const refused = new Map(Object.entries(line.refused).map(([limit, count]) => [limit, BigInt(count)]));
  return { ...counts, nanos: toNanos(line.money), refused };
}

function add(to: Sums, more: Sums): void {
  for (const count of COUNTS) to[count] += more[count];
  to.nanos += more.nanos;
  for (const [limit, count] of more.refused) to.refused.set(limit, (to.refused.get(limit) ?? 0n) + count);
}

// What is not told apart comes last.
function inOrder(one: Line, other: Line, by: Name[]): number {
  const pairs = [[one.time, other.time], ...by.map((name) => [one.names[name], other.names[name]])];
  const different = pairs.find(([a, b]) => a !== b);
  if (!different) return 0;
  const [a, b] = different;
  if (a == null || b == null) return a == null ? 1 : -1;
  return a < b ? -1 : 1;
}

function heightOf(bin: Bin): bigint {
  return bin.parts.reduce((sum, part) => sum + part, 0n);
}

// Near enough for a drawing, however large the numbers are.
function share(part: bigint, most: bigint): number {
  return most === 0n ? 0 : Number((part * 100_000n) / most) / 1000;
}

const PLACES = 9;
const NANOS = 10n ** BigInt(PLACES);
const HOUR_MS = 3_600_000;
const LINE_END = "\r\n";
