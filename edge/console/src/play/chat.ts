// A streamed chat: what is asked, as a body and as snippets, and what its events tell.

import { type Call, type Course, START } from "./course.ts";

/** How far a chat is. */
export interface ChatCourse extends Course {
  text: string;
  thought: string;
  finish: string | null;
  usage?: ChatUsage;
}

/** Before anything was sent. */
export const CHAT_START: ChatCourse = { ...START, text: "", thought: "", finish: null };

/** What one event of a chat tells. */
export interface ChatEvent {
  text: string;
  thought: string;
  finish: string | null;
  usage: ChatUsage | null;
}

/** Tokens, and how long the origin took for what. */
export interface ChatUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  timings?: { queue_ms?: number; prompt_ms?: number; completion_ms?: number };
}

/** Reads one event; `null` is the stream's last word. */
export function readEvent(data: string): ChatEvent | null {
  if (data === "[DONE]") return null;
  const event = JSON.parse(data) as {
    choices?: Array<{
      delta?: { content?: string | null; reasoning_content?: string | null };
      finish_reason?: string | null;
    }>;
    usage?: ChatUsage | null;
  };
  const choice = event.choices?.[0];
  return {
    text: choice?.delta?.content ?? "",
    thought: choice?.delta?.reasoning_content ?? "",
    finish: choice?.finish_reason ?? null,
    usage: event.usage ?? null,
  };
}

/** A request as the playground has it. */
export interface ChatRequest {
  model: string;
  message: string;
  system: string;
  maxTokens: number | null;
}

/** The body of a request. */
export function chatBody(request: ChatRequest): Record<string, unknown> {
  const system = request.system.trim() === "" ? [] : [{ role: "system", content: request.system }];
  return {
    model: request.model,
    messages: [...system, { role: "user", content: request.message }],
    ...(request.maxTokens === null ? {} : { max_tokens: request.maxTokens }),
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** The call of a request. */
export function chatCall(request: ChatRequest): Call<ChatCourse> {
  return {
    path: "/v1/chat/completions",
    body: chatBody(request),
    start: CHAT_START,
    read: (course, { data }) => {
      const event = readEvent(data);
      if (!event) return {};
      return {
        text: course.text + event.text,
        thought: course.thought + event.thought,
        finish: event.finish ?? course.finish,
        ...(event.usage ? { usage: event.usage } : {}),
      };
    },
    hasBegun: (course) => course.text + course.thought !== "",
  };
}

/** The same call for a shell. The key is in a variable: it is in no history. */
export function chatCurl(origin: string, request: ChatRequest): string {
  const body = JSON.stringify(chatBody(request)).replaceAll("'", "'\\''");
  return [
    `curl -N ${origin}/v1/chat/completions \\`,
    `  -H "authorization: Bearer $SLUICE_KEY" -H 'content-type: application/json' \\`,
    `  -d '${body}'`,
  ].join("\n");
}

/** The same call in Python, by OpenAI's package. */
export function chatPython(origin: string, request: ChatRequest): string {
  const { messages, max_tokens } = chatBody(request) as { messages: unknown; max_tokens?: number };
  return [
    "import os",
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url="${origin}/v1", api_key=os.environ["SLUICE_KEY"])`,
    "stream = client.chat.completions.create(",
    `    model=${JSON.stringify(request.model)},`,
    // JSON's strings, lists and objects are Python's, too.
    `    messages=${JSON.stringify(messages)},`,
    ...(max_tokens === undefined ? [] : [`    max_tokens=${max_tokens},`]),
    '    stream=True, stream_options={"include_usage": True})',
    "for chunk in stream:",
    '    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)',
  ].join("\n");
}
