"""Goes through what Anthropic's own client for Python does, and prints what came of it as one line of JSON.

usage: anthropic_messages.py BASE_URL API_KEY MODEL
"""

import json
import sys

import anthropic

HELLO = [{"role": "user", "content": "Hello"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": "weather", "description": "Tells it.", "input_schema": CITY}]
THINK = {"type": "enabled", "budget_tokens": 1024}


def main(base_url: str, api_key: str, model: str) -> None:
    # One sends the key as `x-api-key`, the other as Bearer.
    older = {"default_headers": {"x-api-key": api_key, "authorization": anthropic.omit}}
    clients = [
        anthropic.Anthropic(base_url=base_url, auth_token=api_key, max_retries=0, timeout=20),
        anthropic.Anthropic(base_url=base_url, api_key=api_key, max_retries=0, timeout=20, **older),
    ]
    client = clients[0]
    ask = {"model": model, "messages": HELLO, "max_tokens": 256}
    whole = clients[1].messages.create(**ask)
    with client.messages.stream(**ask) as stream:
        pieces = list(stream.text_stream)
        streamed = stream.get_final_message()
    with client.messages.stream(**ask, thinking=THINK) as stream:
        thought = stream.get_final_message()
    with client.messages.stream(**ask, tools=TOOLS) as stream:
        called = stream.get_final_message()
    calls = [block for block in called.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"Rain in {call.input['city']}."} for call in calls]
    turn = ask | {"tools": TOOLS, "messages": [*HELLO, called.to_param(), {"role": "user", "content": results}]}
    counted = client.messages.count_tokens(model=model, tools=TOOLS, messages=turn["messages"])
    after = client.messages.create(**turn)
    stopped = client.messages.create(**ask, stop_sequences=["END"])
    cut = client.messages.create(**ask | {"max_tokens": 2})
    forced = client.messages.create(**ask, tools=TOOLS, tool_choice={"type": "tool", "name": "weather"})
    formed = client.messages.create(**ask, output_config={"format": {"type": "json_schema", "schema": CITY}})
    beta = client.beta.messages.create(**ask, betas=["unheard-of-2099-01-01"])
    raw = client.messages.with_raw_response.create(**ask)
    print(
        json.dumps(
            {
                "whole": told(whole),
                "streamed": told(streamed),
                "pieces": len(pieces),
                "thought": told(thought),
                "signed": [bool(block.signature) for block in thought.content if block.type == "thinking"],
                "called": told(called),
                "after": told(after),
                "counted": [counted.input_tokens, prompt(after)],
                "stopped": [*told(stopped), stopped.stop_sequence],
                "cut": told(cut),
                "forced": told(forced),
                "formed": told(formed),
                "beta": told(beta),
                "limits": [raw.headers[f"anthropic-ratelimit-requests-{name}"] for name in ("limit", "remaining", "reset")],
                "models": [entry.id for entry in client.models.list()],
                "model": client.models.retrieve(model).id,
                "unknown": refused(lambda: client.messages.create(**ask | {"model": "other"})),
                "image": refused(lambda: client.messages.create(**ask | {"messages": [{"role": "user", "content": [IMAGE]}]})),
                "key": refused(lambda: client.with_options(auth_token="slc_no").messages.create(**ask)),
                "broken": refused(lambda: list(client.messages.create(**ask, stream=True))),
            }
        )
    )


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}}


def told(message) -> list:
    def block(block) -> list:
        match block.type:
            case "text":
                return ["text", block.text]
            case "thinking":
                return ["thinking", block.thinking]
            case "tool_use":
                return ["tool_use", block.name, block.input]

    return [[block(each) for each in message.content], message.stop_reason]


def prompt(message) -> int:
    usage = message.usage
    return usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens


def refused(ask) -> list:
    try:
        ask()
    except anthropic.APIStatusError as error:
        return [type(error).__name__, error.body["error"]["type"], error.body["error"]["message"]]
    return []


main(*sys.argv[1:])
