"""Asks the built-in model every recorded question through OpenAI's own client, whole and streamed, and prints what came of it
as one line of JSON: a list of pairs, in the order of the file.

usage: openai_tiny.py BASE_URL API_KEY MODEL ANSWERS.json
"""

import json
import sys

import openai

# Arguments that OpenAI's client does not know.
BEYOND = {"chat_template_kwargs"}


def main(base_url: str, api_key: str, model: str, answers: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=60)
    with open(answers, encoding="utf-8") as file:
        recorded = json.load(file)
    print(json.dumps([asked(client, model, entry["request"]) for entry in recorded]))


def asked(client, model: str, request: dict) -> dict:
    known = {name: value for name, value in request.items() if name not in BEYOND}
    beyond = {name: value for name, value in request.items() if name in BEYOND}
    arguments = known | {"model": model, "temperature": 0, "max_tokens": 128, "extra_body": beyond}
    whole = client.chat.completions.create(**arguments)
    parts = client.chat.completions.create(stream=True, **arguments)
    return {"whole": told(whole.choices[0]), "streamed": gathered(list(parts))}


def told(choice) -> dict:
    calls = choice.message.tool_calls or []
    return {
        "content": choice.message.content or None,
        "reasoning": getattr(choice.message, "reasoning_content", None),
        "calls": [[call.function.name, json.loads(call.function.arguments)] for call in calls],
        "finish": choice.finish_reason,
    }


def gathered(parts: list) -> dict:
    content, reasoning, calls, finish = "", "", {}, None
    for choice in (choice for part in parts for choice in part.choices):
        content += choice.delta.content or ""
        reasoning += getattr(choice.delta, "reasoning_content", None) or ""
        finish = choice.finish_reason or finish
        for piece in choice.delta.tool_calls or []:
            name, arguments = calls.get(piece.index, ("", ""))
            function = piece.function
            calls[piece.index] = (name + (function.name or ""), arguments + (function.arguments or ""))
    return {
        "content": content or None,
        "reasoning": reasoning or None,
        "calls": [[name, json.loads(arguments)] for name, arguments in calls.values()],
        "finish": finish,
    }


main(*sys.argv[1:])
