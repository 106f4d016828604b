// Goes through what Anthropic's own client for Node does, and prints what came of it as one line of JSON.
//
// usage: anthropic_messages.mjs BASE_URL API_KEY MODEL

import Anthropic from "@anthropic-ai/sdk";

const [baseURL, authToken, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, authToken, apiKey: null, maxRetries: 0 });
const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ name: "weather", description: "Tells it.", input_schema: city }];
const ask = { model, max_tokens: 256, messages: [{ role: "user", content: "Hello" }] };

function told({ content, stop_reason: reason }) {
  const block = ({ type, text, thinking, name, input }) =>
    ({ text: [type, text], thinking: [type, thinking], tool_use: [type, name, input] })[type];
  return [content.map(block), reason];
}

async function refused(ask) {
  try {
    for await (const _ of await ask());
    return [];
  } catch (error) {
    return [error.constructor.name, error.error?.error?.type ?? null];
  }
}

const whole = await client.messages.create(ask);
const streamed = await client.messages.stream(ask).finalMessage();
const thought = await client.messages.stream({ ...ask, thinking: { type: "enabled", budget_tokens: 1024 } }).finalMessage();
const called = await client.messages.stream({ ...ask, tools }).finalMessage();
const results = called.content
  .filter(({ type }) => type === "tool_use")
  .map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "Rain." }));
const messages = [...ask.messages, { role: "assistant", content: called.content }, { role: "user", content: results }];
const counted = await client.messages.countTokens({ model, tools, messages });
const after = await client.messages.create({ ...ask, tools, messages });
const { input_tokens: input, cache_read_input_tokens: cached } = after.usage;
console.log(
  JSON.stringify({
    whole: told(whole),
    streamed: told(streamed),
    thought: told(thought),
    called: told(called),
    after: told(after),
    counted: [counted.input_tokens, input + cached],
    model: (await client.models.retrieve(model)).id,
    unknown: await refused(() => client.messages.create({ ...ask, model: "other", stream: true })),
    broken: await refused(() => client.messages.create({ ...ask, stream: true })),
  }),
);
