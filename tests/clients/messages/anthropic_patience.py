"""Runs into a limit through Anthropic's own client with its defaults, and prints what came of it as one line of JSON.

usage: anthropic_patience.py BASE_URL API_KEY MODEL
"""

import json
import sys
import time

import anthropic


def main(base_url: str, api_key: str, model: str) -> None:
    client = anthropic.Anthropic(base_url=base_url, auth_token=api_key)
    ask = {"model": model, "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}
    first = client.messages.create(**ask)
    begun = time.monotonic()
    second = client.messages.create(**ask)
    waited = time.monotonic() - begun
    impatient = client.with_options(max_retries=0)
    try:
        impatient.messages.create(**ask)
        refusal = []
    except anthropic.RateLimitError as error:
        reset = error.response.headers["anthropic-ratelimit-requests-reset"]
        refusal = [error.body["error"]["type"], error.body["request_id"] == error.response.headers["x-request-id"], reset]
    print(json.dumps({"ended": [first.stop_reason, second.stop_reason], "waited": waited, "refusal": refusal}))


main(*sys.argv[1:])
