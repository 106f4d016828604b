// Reads lines of a model that is slow, through Ollama's own client for Node, and prints what came of them as one line of JSON.
//
// usage: ollama_slow.mjs BASE_URL API_KEY MODEL

import { Ollama } from "ollama";

const [host, key, model] = process.argv.slice(2);
const client = new Ollama({ host, headers: { Authorization: `Bearer ${key}` } });

async function chat() {
  let [said, ends] = ["", 0];
  for await (const { message, done } of await client.chat({ model, messages: [{ role: "user", content: "Hello" }], stream: true })) {
    said += message.content;
    ends += done ? 1 : 0;
  }
  return [said, ends];
}

async function generate() {
  let [said, ends] = ["", 0];
  for await (const { response, done } of await client.generate({ model, prompt: "Hello", stream: true })) {
    said += response;
    ends += done ? 1 : 0;
  }
  return [said, ends];
}

const [chatted, generated] = await Promise.all([chat(), generate()]);
console.log(JSON.stringify({ chat: chatted, generate: generated }));
