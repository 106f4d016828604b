// Goes through what Ollama's own client for Node does, and prints what came of it as one line of JSON.
//
// usage: ollama_chat.mjs BASE_URL API_KEY MODEL

import { Ollama } from "ollama";

const [host, key, model] = process.argv.slice(2);
const client = new Ollama({ host, headers: { Authorization: `Bearer ${key}` } });
const messages = [{ role: "user", content: "Hello" }];
const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "weather", description: "", parameters: city } }];

async function gathered(parts) {
  const all = { content: "", thinking: "", calls: [], done: null, counts: [] };
  for await (const part of parts) {
    all.content += part.message.content;
    all.thinking += part.message.thinking ?? "";
    all.calls.push(...(part.message.tool_calls ?? []).map(({ function: { name, arguments: given } }) => [name, given]));
    if (part.done) {
      [all.done, all.counts] = [part.done_reason, [part.prompt_eval_count, part.eval_count]];
    }
  }
  return all;
}

async function refused(ask) {
  try {
    for await (const _ of (await ask()) ?? []);
    return null;
  } catch (error) {
    return [error.status_code ?? null, error.message];
  }
}

const whole = await gathered([await client.chat({ model, messages })]);
const streamed = await gathered(await client.chat({ model, messages, stream: true }));
const thought = await gathered(await client.chat({ model, messages, think: true, stream: true }));
const called = await gathered(await client.chat({ model, messages, tools, stream: true }));
const formed = await gathered([await client.chat({ model, messages, format: city, think: false })]);
const generated = await client.generate({ model, prompt: "Hello" });
console.log(
  JSON.stringify({
    whole,
    streamed,
    thought,
    called,
    formed,
    generated: generated.response,
    models: (await client.list()).models.map((entry) => entry.name),
    capabilities: (await client.show({ model })).capabilities,
    unknown: await refused(() => client.chat({ model: "other", messages })),
    limited: await refused(() => client.chat({ model, messages, options: { mirostat: 2 } })),
    broken: await refused(() => client.chat({ model, messages, stream: true })),
  }),
);
