"""Runs into refusals through OpenAI's own client and prints, as one line of JSON, which exceptions they became.

usage: openai_errors.py BASE_URL API_KEY_WITH_ONE_REQUEST MODEL
"""

import json
import sys

import openai


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    stranger = client.with_options(api_key="slc_nobody")
    good = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}

    outcomes = {
        "wrong_key": attempt(stranger, good),
        "bad_request": attempt(client, good | {"max_tokens": -1}),
        "unsupported": attempt(client, good | {"functions": [{"name": "f"}]}),
        # The key's only request: the origin refuses it, so it counts.
        "unknown_model": attempt(client, good | {"model": "gpt-9"}),
        "over_limit": attempt(client, good),
        "over_limit_streamed": attempt(client, good | {"stream": True}),
    }
    print(json.dumps(outcomes))


def attempt(client: openai.OpenAI, request: dict) -> dict:
    try:
        client.chat.completions.create(**request)
    except openai.APIStatusError as error:
        return {
            "exception": type(error).__name__,
            "code": error.code,
            "param": error.param,
            "type": error.type,
            "request_id": error.request_id,
            "retry_after": error.response.headers.get("retry-after"),
        }
    return {"exception": None}


main(*sys.argv[1:])
