// Goes through what OpenAI's own client for Node does with responses, and prints what came of it as one line of JSON.
//
// usage: openai_responses.mjs BASE_URL API_KEY MODEL

import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const tools = [{ type: "function", name: "weather", parameters, strict: false }];
const ask = { model, input: "Hello", max_output_tokens: 256 };

function told({ output }) {
  const join = (parts) => parts.map(({ text }) => text).join("");
  return output.map((item) =>
    item.type === "function_call"
      ? ["call", item.name, JSON.parse(item.arguments)]
      : [item.type, join(item.content)],
  );
}

async function refused(ask) {
  try {
    for await (const _ of await ask());
    return [];
  } catch (error) {
    return [error.constructor.name, error.code ?? null];
  }
}

const whole = await client.responses.create(ask);
const streamed = await client.responses.stream(ask).finalResponse();
const thought = await client.responses.stream({ ...ask, reasoning: { effort: "high" } }).finalResponse();
const called = await client.responses.stream({ ...ask, tools }).finalResponse();
const results = called.output
  .filter(({ type }) => type === "function_call")
  .map(({ call_id }) => ({ type: "function_call_output", call_id, output: "Rain." }));
const input = [{ role: "user", content: "Hello" }, ...called.output, ...results];
const after = await client.responses.create({ ...ask, tools, input });
const format = { type: "json_schema", name: "weather", schema: parameters, strict: true };
const parsed = await client.responses.parse({ ...ask, text: { format } });
console.log(
  JSON.stringify({
    whole: told(whole),
    text: whole.output_text,
    streamed: told(streamed),
    thought: told(thought),
    called: told(called),
    after: told(after),
    parsed: parsed.output_parsed,
    unknown: await refused(() => client.responses.create({ ...ask, model: "other", stream: true })),
    broken: await refused(() => client.responses.create({ ...ask, stream: true })),
  }),
);
