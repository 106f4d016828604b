"""Runs into a limit with responses through OpenAI's own client and its defaults, and prints what came of it as one line of
JSON.

usage: openai_responses_patience.py BASE_URL API_KEY MODEL
"""

import json
import sys
import time

import openai


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key)
    ask = {"model": model, "input": "Hello", "max_output_tokens": 8}
    first = client.responses.create(**ask)
    begun = time.monotonic()
    second = list(client.responses.create(**ask, stream=True))[-1].response
    waited = time.monotonic() - begun
    try:
        client.with_options(max_retries=0).responses.create(**ask)
        refusal = []
    except openai.RateLimitError as error:
        refusal = [error.code, error.type, error.response.headers["x-should-retry"]]
    print(json.dumps({"said": [first.output_text, second.output_text], "waited": waited, "refusal": refusal}))


main(*sys.argv[1:])
