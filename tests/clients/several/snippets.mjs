// Runs the snippets of docs/clients.md that are for Node, as they stand there, and prints what they printed: those that name
// `tiny-embed` where the model is that one, and else the others.
//
// usage: snippets.mjs PAGE HOST KEY MODEL

import { readFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { generateText } from "ai";
import { Ollama } from "ollama";
import OpenAI from "openai";

const [page, host, key, model] = process.argv.slice(2);
const Program = Object.getPrototypeOf(async () => {}).constructor;
const said = [];
for (const [, snippet] of readFileSync(page, "utf8").matchAll(/^```js\n(.*?)^```$/gms)) {
  if (snippet.includes("tiny-embed") !== (model === "tiny-embed")) continue;
  const code = snippet
    .replaceAll("https://HOST", host)
    .replaceAll("KEY", key)
    .replaceAll('"tiny"', JSON.stringify(model));
  const console = { log: (text) => said.push(text) };
  const names = { Anthropic, OpenAI, Ollama, createOpenAI, generateText, console };
  await new Program(...Object.keys(names), code)(...Object.values(names));
}
process.stdout.write(JSON.stringify(said));
