// Goes through what the AI SDK does with its default model of OpenAI's, which speaks responses, and prints what came of it as
// one line of JSON.
//
// usage: ai_sdk_responses.mjs BASE_URL API_KEY MODEL

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai";

const [baseURL, apiKey, name] = process.argv.slice(2);
const model = createOpenAI({ baseURL, apiKey })(name);
const inputSchema = jsonSchema({
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
});
const tools = { weather: tool({ description: "Tells it.", inputSchema, execute: ({ city }) => `Rain in ${city}.` }) };
const ask = { model, prompt: "Hello", maxOutputTokens: 256, maxRetries: 0 };
// Answers are not kept, so their items are sent again and not named.
const forgetful = { providerOptions: { openai: { store: false, strictJsonSchema: false } } };

const whole = await generateText(ask);
const stream = streamText(ask);
let pieces = 0;
for await (const _ of stream.textStream) pieces += 1;
const streamed = await stream.text;
const summary = { providerOptions: { openai: { store: false, reasoningSummary: "auto", forceReasoning: true } } };
const thought = await generateText({ ...ask, ...summary });
const stepped = await generateText({ ...ask, ...forgetful, tools, stopWhen: isStepCount(3) });
const steps = stepped.steps.map(({ text, toolCalls, toolResults }) => [
  text,
  toolCalls.map(({ toolName, input }) => [toolName, input]),
  toolResults.map(({ output }) => output),
]);
const both = streamText({ ...ask, ...forgetful, tools, stopWhen: isStepCount(3) });
for await (const _ of both.fullStream);
const formed = await generateText({ ...ask, output: Output.object({ schema: inputSchema }) });
let refusal;
try {
  await generateText({ ...ask, model: createOpenAI({ baseURL, apiKey })("other") });
} catch (error) {
  refusal = [error.name, error.statusCode ?? null];
}
console.log(
  JSON.stringify({
    whole: whole.text,
    finish: whole.finishReason,
    usage: [whole.usage.inputTokens, whole.usage.outputTokens],
    streamed,
    pieces,
    thought: [thought.reasoningText, thought.text],
    steps,
    both: await both.text,
    formed: formed.output,
    refusal,
  }),
);
