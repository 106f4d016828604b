"""Asks for thinking and for calls of a tool through OpenAI's own client, whole and streamed, and prints what came of it as
one line of JSON.

usage: openai_sections.py BASE_URL API_KEY MODEL
"""

import json
import sys

import openai

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    request = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 512, "tools": TOOLS}

    whole = client.chat.completions.create(**request)
    parts = list(client.chat.completions.create(stream=True, **request))
    # The next turn: the calls go back as the client has them.
    message = whole.choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"for": json.loads(call.function.arguments)})}
        for call in message.tool_calls
    ]
    turn = request | {"messages": request["messages"] + [message.to_dict(), *results]}
    after = client.chat.completions.create(**turn)

    # Calls that must be made, whatever the model would rather say, of tools that are held to their schemas.
    strict = [{"type": "function", "function": TOOLS[0]["function"] | {"strict": True}}]
    forced = request | {"tools": strict, "temperature": 0, "extra_body": {"enable_thinking": False}}
    named = {"type": "function", "function": {"name": "weather"}}
    required = client.chat.completions.create(tool_choice="required", parallel_tool_calls=False, **forced)
    by_name = list(client.chat.completions.create(tool_choice=named, stream=True, **forced))
    form = {"type": "json_object"}
    formed = client.chat.completions.create(response_format=form, **forced)

    print(
        json.dumps(
            {
                "required": told_calls(required.choices[0]),
                "named": gathered(by_name)["calls"],
                "formed": formed.choices[0].message.content,
                "whole": told(whole),
                "streamed": gathered(parts),
                "reasoning_tokens": whole.usage.completion_tokens_details.reasoning_tokens,
                "after": after.choices[0].message.content,
            }
        )
    )


def told_calls(choice) -> list:
    """The calls of an answer that is nothing else."""
    assert choice.finish_reason == "tool_calls" and not choice.message.content, choice
    return [[call.function.name, json.loads(call.function.arguments)] for call in choice.message.tool_calls]


def told(completion) -> dict:
    choice = completion.choices[0]
    calls = choice.message.tool_calls or []
    return {
        "content": choice.message.content,
        "reasoning": choice.message.reasoning_content,
        "calls": [[call.function.name, json.loads(call.function.arguments)] for call in calls],
        "ids": len({call.id for call in calls}),
        "finish": choice.finish_reason,
    }


def gathered(parts: list) -> dict:
    """Puts a stream together as OpenAI's guide to function calling does: calls by their index, arguments appended."""
    content, reasoning, calls, finish = "", "", {}, None
    for choice in (choice for part in parts for choice in part.choices):
        content += choice.delta.content or ""
        reasoning += getattr(choice.delta, "reasoning_content", None) or ""
        finish = choice.finish_reason or finish
        for piece in choice.delta.tool_calls or []:
            if piece.index not in calls:
                calls[piece.index] = piece
            else:
                calls[piece.index].function.arguments += piece.function.arguments
    return {
        "content": content,
        "reasoning": reasoning,
        "calls": [[call.function.name, json.loads(call.function.arguments)] for call in calls.values()],
        "ids": len({call.id for call in calls.values()}),
        "finish": finish,
    }


main(*sys.argv[1:])
