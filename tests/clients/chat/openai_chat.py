"""Chats through OpenAI's own client, streamed and not, and prints what came of it as one line of JSON.

usage: openai_chat.py BASE_URL API_KEY MODEL
"""

import json
import sys

import openai


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    messages = [{"role": "user", "content": "Hello"}]

    whole = client.chat.completions.create(model=model, messages=messages, max_tokens=64)
    raw = client.chat.completions.with_raw_response.create(model=model, messages=messages, max_tokens=64)
    parts = list(client.chat.completions.create(model=model, messages=messages, max_tokens=64, stream=True))
    with_usage = list(
        client.chat.completions.create(
            model=model, messages=messages, max_tokens=64, stream=True, stream_options={"include_usage": True}
        )
    )

    print(
        json.dumps(
            {
                "models": [entry.id for entry in client.models.list()],
                "whole": {"text": whole.choices[0].message.content, "finish": whole.choices[0].finish_reason}
                | usage(whole),
                "request_id": whole._request_id,
                "raw_request_id": raw.headers["x-request-id"],
                "stream": joined(parts) | usage(parts[-1]),
                "stream_with_usage": joined(with_usage) | usage(with_usage[-1]),
                "usage_has_an_event_of_its_own": with_usage[-1].choices == [],
            }
        )
    )


def joined(parts: list) -> dict:
    choices = [part.choices[0] for part in parts if part.choices]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "finish": choices[-1].finish_reason,
    }


def usage(answer) -> dict:
    return {"prompt": answer.usage.prompt_tokens, "completion": answer.usage.completion_tokens}


main(*sys.argv[1:])
