"""Goes through what LiteLLM's client does at the doors that it knows, and prints what came of it as one line of JSON.

usage: litellm_chat.py BASE_URL API_KEY MODEL
"""

import json
import os
import sys
import tempfile

# It would fetch a list of prices, and keep what it knows at home.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["HOME"] = tempfile.mkdtemp()

import litellm  # noqa: E402
import openai as openai_errors  # noqa: E402
from pydantic import BaseModel  # noqa: E402


class Weather(BaseModel):
    city: str


TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": Weather.model_json_schema()}}]


def main(base_url: str, api_key: str, model: str) -> None:
    # It would print where to get help.
    litellm.suppress_debug_info = True
    host = base_url.removesuffix("/v1")
    openai = {"model": f"openai/{model}", "api_base": base_url}
    came = {}
    for door, where in [
        ("openai", openai),
        ("ollama", {"model": f"ollama_chat/{model}", "api_base": host}),
        ("anthropic", {"model": f"anthropic/{model}", "api_base": host}),
    ]:
        ask = where | {"api_key": api_key, "max_tokens": 256, "num_retries": 0, "timeout": 20}
        ask["messages"] = [{"role": "user", "content": "Hello"}]
        whole = litellm.completion(**ask)
        pieces = [chunk.choices[0].delta.content or "" for chunk in litellm.completion(**ask, stream=True)]
        called = litellm.completion(**ask, tools=TOOLS)
        call = called.choices[0].message.tool_calls[0].function
        came[door] = {
            "whole": whole.choices[0].message.content,
            "usage": whole.usage.completion_tokens,
            "streamed": "".join(pieces),
            "pieces": len(pieces),
            "called": [call.name, json.loads(call.arguments)],
        }
    ask = openai | {"api_key": api_key, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 256}
    formed = litellm.completion(**ask, response_format=Weather)
    came["formed"] = json.loads(formed.choices[0].message.content)
    for name, changed in [("unknown", {"model": f"openai/{model}x"}), ("key", {"api_key": "EMPTY"})]:
        came[name] = attempt(ask | changed)
    print(json.dumps(came))


def attempt(ask: dict) -> str:
    try:
        litellm.completion(**ask, num_retries=0)
        return "served"
    except openai_errors.APIStatusError as error:
        return type(error).__name__


main(*sys.argv[1:])
