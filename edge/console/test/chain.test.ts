import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { AuditEntry } from "../src/api/schema.ts";
import { type Break, follow, hashOf, isBreak } from "../src/audit/chain.ts";

// Written by the protocol's own tests.
const GOLDEN = new URL("../../../protocol/tests/golden/admin_audit.json", import.meta.url);
const entries = (): AuditEntry[] => JSON.parse(readFileSync(GOLDEN, "utf8")).data;

test("what the edge writes is whole, in one go and page by page", async () => {
  const last = entries().at(-1);
  assert.deepEqual(await follow(null, entries()), { number: 3, at: last?.at, hash: last?.hash });
  const first = await follow(null, entries().slice(0, 1));
  assert.ok(first !== null && !isBreak(first));
  assert.deepEqual(await follow(first, entries().slice(1)), { number: 3, at: last?.at, hash: last?.hash });
  assert.equal(await follow(null, []), null);
});

test("whatever is changed, moved or taken out is found", async () => {
  const broken = async (change: (all: AuditEntry[]) => void): Promise<Break> => {
    const all = entries();
    change(all);
    const found = await follow(null, all);
    assert.ok(isBreak(found));
    return found;
  };
  const at = (all: AuditEntry[], place: number) => all[place] as AuditEntry;
  for (const member of ["actor", "address", "action", "target", "request"] as const) {
    assert.deepEqual(await broken((all) => (at(all, 1)[member] = "other")), { number: 2, why: "hash" }, member);
  }
  assert.deepEqual(await broken((all) => (at(all, 0).details.plan = "x")), { number: 1, why: "hash" });
  assert.deepEqual(await broken((all) => (at(all, 2).at += 1)), { number: 3, why: "hash" });
  assert.deepEqual(await broken((all) => (at(all, 2).at = 1)), { number: 3, why: "time" });
  assert.deepEqual(await broken((all) => all.splice(1, 1)), { number: 3, why: "order" });
  assert.deepEqual(await broken((all) => all.shift()), { number: 2, why: "order" });
  assert.deepEqual(await broken((all) => (at(all, 1).previous = "1".repeat(64))), { number: 2, why: "previous" });
  assert.deepEqual(await broken((all) => (at(all, 1).hash = "1".repeat(64))), { number: 2, why: "hash" });
});

test("details are hashed by their names' bytes, also where they look like numbers", async () => {
  const first = entries()[0] as AuditEntry;
  const hash = (details: Record<string, string>) => hashOf({ ...first, details });
  assert.equal(await hash({ b: "1", 10: "2", a: "3" }), await hash({ a: "3", 10: "2", b: "1" }));
  assert.notEqual(await hash({ 10: "2" }), await hash({ 9: "2" }));
  // U+FF5E comes before U+1F600 in UTF-8, and after it in UTF-16.
  const [near, far] = ["\uff5e", "\u{1f600}"];
  const text = `"details":{"${near}":"1","${far}":"2"}`;
  const whole = `sluice-audit-v1\n{"number":1,"at":${first.at},"actor":"${first.actor}","address":"${first.address}",\
"action":"key.create","target":"${first.target}",${text},"request":"${first.request}","previous":"${first.previous}"}`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(whole));
  assert.equal(await hash({ [far]: "2", [near]: "1" }), Buffer.from(digest).toString("hex"));
});
