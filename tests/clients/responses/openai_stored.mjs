// Keeps responses with OpenAI's own client for Node, goes on from them, and prints what came of it as one line of JSON.
//
// usage: openai_stored.mjs BASE_URL API_KEY OTHER_KEY MODEL

import OpenAI from "openai";

const [baseURL, apiKey, otherKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const other = new OpenAI({ baseURL, apiKey: otherKey, maxRetries: 0 });
const ask = { model, max_output_tokens: 64 };

async function refused(ask) {
  try {
    await ask();
    return [];
  } catch (error) {
    return [error.constructor.name, error.code ?? null];
  }
}

const plain = ({ output_text, ...response }) => JSON.stringify(response);

const first = await client.responses.create({ ...ask, input: "Hello", store: true });
const got = await client.responses.retrieve(first.id);
const more = { ...ask, input: "More", store: true, previous_response_id: first.id };
const second = await client.responses.stream(more).finalResponse();
const third = await client.responses.create({ ...ask, input: "And?", previous_response_id: second.id });
const listed = [];
for await (const item of client.responses.inputItems.list(second.id, { limit: 1 })) listed.push(item.content[0].text);
await client.responses.delete(second.id);
console.log(
  JSON.stringify({
    said: [first, second, third].map(({ output_text }) => output_text),
    kept: [first, second, third].map(({ store }) => store),
    previous: second.previous_response_id === first.id,
    got: plain(got) === plain(first),
    listed,
    gone: await refused(() => client.responses.retrieve(second.id)),
    others: await refused(() => other.responses.retrieve(first.id)),
  }),
);
