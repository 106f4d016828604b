// Embeddings through OpenAI's client for Node and the AI SDK's, and prints what came of it as one line of JSON.
//
// usage: embeddings.mjs BASE_URL API_KEY MODEL

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, embedMany } from "ai";
import OpenAI from "openai";

const [base, key, model] = process.argv.slice(2);
const texts = ["rain", "Grüße, 世界"];
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: key, maxRetries: 0, timeout: 20_000 });
const vectors = (answer) => answer.data.map((one) => Array.from(one.embedding));
const whole = await client.embeddings.create({ model, input: texts });
const floats = await client.embeddings.create({ model, input: texts, encoding_format: "float" });
const refused = await client.embeddings.create({ model, input: "" }).then(
  () => null,
  (error) => [error.status, error.param],
);
const provider = createOpenAICompatible({ name: "sluice", baseURL: `${base}/v1`, apiKey: key });
const one = await embed({ model: provider.embeddingModel(model), value: "rain", maxRetries: 0 });
const many = await embedMany({ model: provider.embeddingModel(model), values: texts, maxRetries: 0 });
process.stdout.write(
  JSON.stringify({
    whole: vectors(whole),
    floats: vectors(floats),
    usage: whole.usage,
    refused,
    one: [one.embedding],
    one_tokens: one.usage.tokens,
    many: many.embeddings,
  }),
);
