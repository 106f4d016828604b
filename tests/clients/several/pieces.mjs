// Streams calls of a tool through the clients for Node that tell their arguments as they come, and prints what each made of
// them as one line of JSON.
//
// usage: pieces.mjs BASE_URL API_KEY MODEL

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import Anthropic from "@anthropic-ai/sdk";
import { isStepCount, jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";

const [baseURL, apiKey, model] = process.argv.slice(2);
const parameters = { type: "object", properties: { path: { type: "string" }, text: { type: "string" } } };
const description = "Writes a file.";

// Two steps: the call, and the answer to what it gave. `pieces` counts what is told of the arguments before they are whole.
async function tools() {
  const pieces = [];
  const ran = [];
  const write = (input) => ran.push(input) && "written";
  const runner = new OpenAI({ baseURL, apiKey, maxRetries: 0 }).chat.completions.runTools({
    model,
    stream: true,
    messages: [{ role: "user", content: "Hello" }],
    tools: [{ type: "function", function: { name: "write", description, parameters, parse: JSON.parse, function: write } }],
  });
  runner.on("chunk", ({ choices }) => {
    for (const call of choices[0]?.delta.tool_calls ?? []) if (call.function.arguments) pieces.push(call.function.arguments);
  });
  return { text: await runner.finalContent(), ran, pieces };
}

async function sdk(model) {
  const pieces = [];
  const ran = [];
  const order = [];
  const inputSchema = jsonSchema(parameters);
  const write = tool({ description, inputSchema, execute: (input) => ran.push(input) && "written" });
  const stream = streamText({
    model,
    prompt: "Hello",
    maxRetries: 0,
    tools: { write },
    stopWhen: isStepCount(3),
    // Answers are not kept, so their items are sent again and not named.
    providerOptions: { openai: { store: false } },
  });
  for await (const part of stream.fullStream) {
    if (part.type === "tool-input-delta") pieces.push(part.delta);
    if (part.type.startsWith("tool-") && order.at(-1) !== part.type) order.push(part.type);
    if (part.type === "error") throw part.error;
  }
  return { text: await stream.text, ran, pieces, order };
}

async function messages() {
  const pieces = [];
  const snapshots = [];
  const client = new Anthropic({ baseURL: baseURL.replace(/\/v1$/, ""), authToken: apiKey, apiKey: null, maxRetries: 0 });
  const stream = client.messages.stream({
    model,
    max_tokens: 500,
    messages: [{ role: "user", content: "Hello" }],
    tools: [{ name: "write", description, input_schema: parameters }],
  });
  stream.on("inputJson", (piece, snapshot) => pieces.push(piece) && snapshots.push(typeof snapshot));
  const { content } = await stream.finalMessage();
  const ran = content.filter(({ type }) => type === "tool_use").map(({ input }) => input);
  return { ran, pieces, snapshots: snapshots.every((kind) => kind === "object") };
}

console.log(
  JSON.stringify({
    tools: await tools(),
    compatible: await sdk(createOpenAICompatible({ name: "sluice", baseURL, apiKey })(model)),
    responses: await sdk(createOpenAI({ baseURL, apiKey })(model)),
    messages: await messages(),
  }),
);
