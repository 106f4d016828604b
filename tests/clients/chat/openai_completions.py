"""Text completions and several answers through OpenAI's own client, and prints what came of it as one line of JSON.

usage: openai_completions.py BASE_URL API_KEY MODEL
"""

import json
import sys

import openai


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    whole = client.completions.create(model=model, prompt="once", max_tokens=64, echo=True)
    parts = list(client.completions.create(model=model, prompt="once", max_tokens=64, stream=True))
    likely = client.completions.create(model=model, prompt="once", max_tokens=64, logprobs=1)
    messages = [{"role": "user", "content": "Hello"}]
    several = client.chat.completions.create(model=model, messages=messages, max_tokens=64, n=3)
    streamed = ["", "", ""]
    for part in client.chat.completions.create(model=model, messages=messages, max_tokens=64, n=3, stream=True):
        for choice in part.choices:
            streamed[choice.index] += choice.delta.content or ""
    prompts = client.completions.create(model=model, prompt=["once", "twice"], n=2, max_tokens=64, echo=True)
    tokens = [[111, 110], [116]]
    texts = ["", "", "", ""]
    for part in client.completions.create(model=model, prompt=tokens, n=2, max_tokens=64, stream=True):
        for choice in part.choices:
            texts[choice.index] += choice.text
    print(
        json.dumps(
            {
                "prompts": [choice.text for choice in prompts.choices],
                "prompts_used": [prompts.usage.prompt_tokens, prompts.usage.completion_tokens],
                "texts": texts,
                "whole": [whole.object, whole.choices[0].text, whole.choices[0].finish_reason],
                "used": whole.usage.completion_tokens,
                "stream": "".join(part.choices[0].text for part in parts),
                "tokens": likely.choices[0].logprobs.tokens,
                "offsets": likely.choices[0].logprobs.text_offset,
                "several": [choice.message.content for choice in several.choices],
                "streamed": streamed,
            }
        )
    )


main(*sys.argv[1:])
