import assert from "node:assert/strict";
import { test } from "node:test";
import { en } from "../src/text/en.ts";
import { zh } from "../src/text/zh.ts";

// Each text by its path.
function flat(table: object, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(table)) {
    if (typeof value === "string") found.set(`${path}${name}`, value);
    else for (const [inner, text] of flat(value, `${path}${name}.`)) found.set(inner, text);
  }
  return found;
}

test("both tables have the same members, in the same order", () => {
  assert.deepEqual([...flat(zh).keys()], [...flat(en).keys()]);
});

test("both fill in the same names, and no text is empty", () => {
  const chinese = flat(zh);
  const names = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort();
  for (const [path, text] of flat(en)) {
    assert.deepEqual(names(chinese.get(path) ?? ""), names(text), path);
    assert.ok(text.trim() !== "" && chinese.get(path)?.trim() !== "", path);
  }
});

test("what is a sentence in English is Chinese in the other table", () => {
  const same = [...flat(en)].filter(([path, text]) => flat(zh).get(path) === text).map(([path]) => path);
  assert.deepEqual(same, ["play.example", "plans.text"]);
});
