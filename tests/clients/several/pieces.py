"""Streams calls of a tool through the clients for Python that tell their arguments as they come, and prints what each made
of them as one line of JSON.

usage: pieces.py BASE_URL API_KEY MODEL

Each way asks twice: first the call comes to its end, then it is cut off by `max_tokens`.
"""

import json
import sys

import anthropic
import openai
from langchain_openai import ChatOpenAI

PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}, "text": {"type": "string"}}}
FUNCTION = {"name": "write", "description": "Writes a file.", "parameters": PARAMETERS}
HELLO = [{"role": "user", "content": "Hello"}]
WHOLE, CUT = 500, 70


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    other = anthropic.Anthropic(base_url=base_url.removesuffix("/v1"), auth_token=api_key, max_retries=0, timeout=20)
    ways = {
        "chat": lambda most: chat(client, model, most),
        "responses": lambda most: responses(client, model, most),
        "messages": lambda most: messages(other, model, most),
        "langchain": lambda most: langchain(base_url, api_key, model, most),
    }
    print(json.dumps({name: {"whole": way(WHOLE), "cut": way(CUT)} for name, way in ways.items()}))


def chat(client, model: str, most: int) -> dict:
    tools = [{"type": "function", "function": FUNCTION}]
    pieces, done = [], []
    with client.chat.completions.stream(model=model, messages=HELLO, tools=tools, max_tokens=most) as stream:
        for event in stream:
            if event.type == "tool_calls.function.arguments.delta":
                pieces.append(event.arguments_delta)
            elif event.type == "tool_calls.function.arguments.done":
                done.append(event.arguments)
        try:
            completion = stream.get_final_completion()
        except openai.LengthFinishReasonError as error:
            # Of what was cut off the client gives the raw answer alone.
            completion = error.completion
    choice = completion.choices[0]
    calls = [[call.function.name, call.function.arguments] for call in choice.message.tool_calls or []]
    return {"pieces": pieces, "done": done, "calls": calls, "end": choice.finish_reason, "text": choice.message.content}


def responses(client, model: str, most: int) -> dict:
    tools = [{"type": "function", "strict": False, **FUNCTION}]
    pieces, done = [], []
    with client.responses.stream(model=model, input="Hello", tools=tools, max_output_tokens=most) as stream:
        for event in stream:
            if event.type == "response.function_call_arguments.delta":
                pieces.append(event.delta)
            elif event.type == "response.function_call_arguments.done":
                done.append(event.arguments)
            elif event.type in ("response.completed", "response.incomplete"):
                response = event.response
    calls = [[item.name, item.arguments] for item in response.output if item.type == "function_call"]
    states = [item.status for item in response.output if item.type == "function_call"]
    return {"pieces": pieces, "done": done, "calls": calls, "end": response.status, "states": states, "text": response.output_text}


def messages(client, model: str, most: int) -> dict:
    tools = [{"name": "write", "description": "Writes a file.", "input_schema": PARAMETERS}]
    ask = {"model": model, "messages": HELLO, "tools": tools, "max_tokens": most}
    pieces, snapshots = [], 0
    with client.messages.stream(**ask) as stream:
        for event in stream:
            if event.type == "input_json":
                pieces.append(event.partial_json)
                snapshots += isinstance(event.snapshot, dict)
        message = stream.get_final_message()
    calls = [[block.name, block.input] for block in message.content if block.type == "tool_use"]
    text = "".join(block.text for block in message.content if block.type == "text")
    return {"pieces": pieces, "snapshots": snapshots, "calls": calls, "end": message.stop_reason, "text": text}


def langchain(base_url: str, api_key: str, model: str, most: int) -> dict:
    chat = ChatOpenAI(model=model, base_url=base_url, api_key=api_key, max_retries=0, timeout=20, max_tokens=most)
    pieces, gathered = [], None
    for part in chat.bind_tools([{"type": "function", "function": FUNCTION}]).stream("Hello"):
        pieces += [chunk["args"] for chunk in part.tool_call_chunks if chunk["args"]]
        gathered = part if gathered is None else gathered + part
    calls = [[call["name"], call["args"]] for call in gathered.tool_calls]
    broken = [[call["name"], call["args"]] for call in gathered.invalid_tool_calls]
    return {
        "pieces": pieces,
        "calls": calls,
        "broken": broken,
        "end": gathered.response_metadata["finish_reason"],
        "text": gathered.text,
    }


main(*sys.argv[1:])
