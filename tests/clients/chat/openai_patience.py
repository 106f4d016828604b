"""Runs into a limit through OpenAI's own client with its defaults, and prints, as one line of JSON, what came of it.

usage: openai_patience.py BASE_URL API_KEY_OVER_ITS_LIMIT MODEL
"""

import json
import sys
import time

import openai


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key)
    request = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
    outcomes = {
        "whole": attempt(client, request),
        "streamed": attempt(client, request | {"stream": True}),
        "model": client.models.retrieve(model).id,
    }
    print(json.dumps(outcomes))


def attempt(client: openai.OpenAI, request: dict) -> dict:
    begun = time.monotonic()
    try:
        client.chat.completions.create(**request)
        outcome = {"status": 200}
    except openai.APIStatusError as error:
        outcome = {
            "status": error.status_code,
            "code": error.code,
            "retry_after": error.response.headers.get("retry-after"),
        }
    return outcome | {"seconds": time.monotonic() - begun}


main(*sys.argv[1:])
