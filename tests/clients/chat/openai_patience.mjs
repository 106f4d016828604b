// Runs into a limit through OpenAI's own client with its defaults, and prints, as one line of JSON, what came of it.
//
// usage: openai_patience.mjs BASE_URL API_KEY_OVER_ITS_LIMIT MODEL

import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey });
const request = { model, messages: [{ role: "user", content: "Hello" }], max_tokens: 8 };
const outcomes = {};
for (const [name, stream] of [["whole", false], ["streamed", true]]) {
  const begun = performance.now();
  try {
    await client.chat.completions.create({ ...request, stream });
    outcomes[name] = { status: 200 };
  } catch (error) {
    outcomes[name] = { status: error.status, code: error.code, retry_after: error.headers?.get("retry-after") };
  }
  outcomes[name].seconds = (performance.now() - begun) / 1000;
}
const one = await client.models.retrieve(model);
console.log(JSON.stringify({ ...outcomes, model: one.id }));
