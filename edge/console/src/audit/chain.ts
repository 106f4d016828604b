// The audit log's chain, as docs/administration.md has it: SHA-256 of `sluice-audit-v1\n` and an entry's JSON without
// its hash, members in order and details by their names. `cargo xtask audit verify` does the same to an export.

import type { AuditEntry } from "../api/schema.ts";

/** The last entry that was looked at. */
export interface Head {
  number: number;
  at: number;
  hash: string;
}

/** What is wrong with the chain, and with which entry. */
export interface Break {
  number: number;
  why: "order" | "previous" | "time" | "hash";
}

/** Follows the chain from `before`, or from its first entry, over entries in order. */
export async function follow(before: Head | null, entries: AuditEntry[]): Promise<Head | Break | null> {
  let head = before;
  for (const entry of entries) {
    const { number } = entry;
    if (number !== (head?.number ?? 0) + 1) return { number, why: "order" };
    if (entry.previous !== (head?.hash ?? START)) return { number, why: "previous" };
    if (head && entry.at < head.at) return { number, why: "time" };
    if ((await hashOf(entry)) !== entry.hash) return { number, why: "hash" };
    head = { number, at: entry.at, hash: entry.hash };
  }
  return head;
}

/** Whether that is where the chain breaks. */
export function isBreak(found: Head | Break | null): found is Break {
  return found !== null && "why" in found;
}

/** The hash that this entry should have. */
export async function hashOf(entry: AuditEntry): Promise<string> {
  const bytes = new TextEncoder().encode(DOMAIN + hashed(entry));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether this page may compute hashes: browsers let pages of HTTPS and of this machine. */
export function canHash(): boolean {
  return globalThis.crypto?.subtle !== undefined;
}

// The text that is hashed. Objects are written by hand: JavaScript puts names that look like numbers first.
function hashed(entry: AuditEntry): string {
  const details = Object.entries(entry.details).sort(([one], [other]) => byBytes(one, other));
  const inner = details.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",");
  const members = MEMBERS.map((name) => {
    const value = name === "details" ? `{${inner}}` : JSON.stringify(entry[name]);
    return `"${name}":${value}`;
  });
  return `{${members.join(",")}}`;
}

// The order of UTF-8, which is not that of JavaScript's strings beyond the first 65,536 letters.
function byBytes(one: string, other: string): number {
  const [left, right] = [new TextEncoder().encode(one), new TextEncoder().encode(other)];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

const DOMAIN = "sluice-audit-v1\n";
const START = "0".repeat(64);
const MEMBERS = ["number", "at", "actor", "address", "action", "target", "details", "request", "previous"] as const;
