"""Reads streams of a model that is slow, through OpenAI's own client, and prints what came of them as one line of JSON.

usage: openai_slow.py BASE_URL API_KEY MODEL
"""

import json
import sys

import openai


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    ask = {"model": model, "max_tokens": 64, "stream": True}
    chat = client.chat.completions.create(messages=[{"role": "user", "content": "Hello"}], **ask)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chat if chunk.choices)
    text = client.completions.create(prompt="Hello", **ask)
    written = "".join(chunk.choices[0].text for chunk in text if chunk.choices)
    response = client.responses.create(model=model, input="Hello", max_output_tokens=64, stream=True)
    told = "".join(event.delta for event in response if event.type == "response.output_text.delta")
    print(json.dumps([said, written, told]))


main(*sys.argv[1:])
