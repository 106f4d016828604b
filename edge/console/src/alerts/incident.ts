// Incidents in words: of which kind each is, what it is about, and what was counted, from the facts that the API tells.

import type { AlertIncident, AlertRule } from "../api/schema.ts";
import { count, fill } from "../format.ts";

/** What a rule looks at. */
export type Kind = AlertRule["kind"];

/** Facts that say what an incident is about, in the order in which they are shown. */
export const ABOUT = ["account", "key", "plan", "budget", "origin", "until"] as const;

/** One of them. */
export type About = (typeof ABOUT)[number];

/**
 * Of which kind an incident is. What only one kind tells says so; otherwise its rule does, unless that says something
 * else by now.
 */
export function kindOf({ facts, rule }: AlertIncident, rules: AlertRule[]): Kind | undefined {
  for (const [name, kind] of TELLING) if (Object.hasOwn(facts, name)) return kind;
  const known = rules.find((one) => one.name === rule)?.kind;
  return known !== undefined && LEFT[known] === Object.hasOwn(facts, "count") ? known : undefined;
}

/** What it is about, by name. Whoever has no key is a caller whose account says all. */
export function aboutOf(facts: Record<string, string>): Array<[About, string]> {
  return ABOUT.flatMap((name): Array<[About, string]> => {
    const value = Object.hasOwn(facts, name) ? facts[name] : undefined;
    return value === undefined || (name === "key" && value === facts.account) ? [] : [[name, value]];
  });
}

/** A text with facts in it; nothing if one that it names is not told. */
export function inWords(text: string, facts: Record<string, string>, language: string): string | undefined {
  const values: Record<string, string> = {};
  for (const [, name = ""] of text.matchAll(/\{(\w+)\}/g)) {
    const value = Object.hasOwn(facts, name) ? facts[name] : undefined;
    if (value === undefined) return undefined;
    values[name] = /^\d{1,15}$/.test(value) ? count(Number(value), language) : value;
  }
  return fill(text, values);
}

/** Which text tells how many incidents are open; none where none is. */
export function openText(open: number, texts: { one: string; more: string }, language: string): string | undefined {
  if (open === 0) return undefined;
  return fill(open === 1 ? texts.one : texts.more, { count: count(open, language) });
}

const TELLING: Array<[string, Kind]> = [
  ["budget", "budget"],
  ["key", "key_refused"],
  ["origin", "origin_down"],
  ["requests", "errors"],
];
/** Those that nothing but their rule tells apart, and whether they count. */
const LEFT: Partial<Record<Kind, boolean>> = { origin_down: false, lapsed: true, failed_logins: true };
