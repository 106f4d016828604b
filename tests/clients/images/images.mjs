// Pictures through OpenAI's client for Node, whole and streamed, and prints what came of them as one line of JSON.
//
// usage: images.mjs BASE_URL API_KEY MODEL
import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, maxRetries: 0, timeout: 20_000 });
const asked = { model, prompt: "a red square", size: "64x64", seed: 7, num_inference_steps: 4 };
const whole = await client.images.generate({ ...asked, n: 2 });
const events = [];
for await (const event of await client.images.generate({ ...asked, stream: true, partial_images: 1 })) events.push(event);
const last = events.at(-1);
console.log(
  JSON.stringify({
    whole: whole.data.map((one) => one.b64_json),
    types: events.map((event) => event.type),
    streamed: last.b64_json,
  }),
);
