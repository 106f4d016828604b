"""Goes through what OpenAI's own client for Python does with responses, and prints what came of it as one line of JSON.

usage: openai_responses.py BASE_URL API_KEY MODEL
"""

import json
import sys

import openai
from pydantic import BaseModel


class Weather(BaseModel):
    city: str


PARAMETERS = Weather.model_json_schema() | {"additionalProperties": False}
TOOLS = [{"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}]


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    ask = {"model": model, "input": "Hello", "max_output_tokens": 256}
    whole = client.responses.create(**ask)
    events = list(client.responses.create(**ask, stream=True))
    with client.responses.stream(**ask) as stream:
        for _ in stream:
            pass
        helped = stream.get_final_response()
    with client.responses.stream(**ask, reasoning={"effort": "high"}) as stream:
        for _ in stream:
            pass
        thought = stream.get_final_response()
    with client.responses.stream(**ask, tools=TOOLS) as stream:
        for _ in stream:
            pass
        called = stream.get_final_response()
    turn = [{"role": "user", "content": "Hello"}, *(item.to_dict() for item in called.output)]
    turn += [
        {"type": "function_call_output", "call_id": item.call_id, "output": f"Rain in {json.loads(item.arguments)['city']}."}
        for item in called.output
        if item.type == "function_call"
    ]
    after = client.responses.create(**ask | {"tools": TOOLS, "input": turn})
    cut = client.responses.create(**ask | {"max_output_tokens": 2})
    parsed = client.responses.parse(**ask, text_format=Weather)
    strict = [TOOLS[0] | {"strict": True}]
    forced = client.responses.create(**ask, tools=strict, tool_choice={"type": "function", "name": "weather"}, parallel_tool_calls=False)
    likely = client.responses.create(**ask, include=["message.output_text.logprobs"], top_logprobs=1)
    print(
        json.dumps(
            {
                "whole": told(whole),
                "usage": [whole.usage.input_tokens, whole.usage.output_tokens, whole.usage.total_tokens],
                "settings": [whole.object, whole.status, whole.store, whole.model, whole.max_output_tokens, whole.metadata],
                "streamed": told(events[-1].response),
                "names": [event.type for event in events if event.type != "response.output_text.delta"],
                "numbers": [event.sequence_number for event in events] == list(range(len(events))),
                "pieces": sum(event.type == "response.output_text.delta" for event in events),
                "helped": told(helped),
                "thought": told(thought),
                "reasoning_tokens": thought.usage.output_tokens_details.reasoning_tokens,
                "called": told(called),
                "after": told(after),
                "cut": [told(cut), cut.status, cut.incomplete_details.reason],
                "parsed": parsed.output_parsed.city,
                "forced": told(forced),
                "likely": "".join(one.token for one in likely.output[0].content[0].logprobs),
                "unknown": refused(lambda: client.responses.create(**ask | {"model": "other"})),
                "hosted": refused(lambda: client.responses.create(**ask, tools=[{"type": "web_search"}])),
                "key": refused(lambda: client.with_options(api_key="slc_no").responses.create(**ask)),
                "got": refused(lambda: client.responses.retrieve("resp_1")),
                "broken": refused(lambda: list(client.responses.create(**ask, stream=True))),
            }
        )
    )


def told(response) -> list:
    def item(item) -> list:
        match item.type:
            case "message":
                return ["message", "".join(part.text for part in item.content)]
            case "reasoning":
                return ["reasoning", "".join(part.text for part in item.content)]
            case "function_call":
                return ["call", item.name, json.loads(item.arguments)]

    return [item(each) for each in response.output]


def refused(ask) -> list:
    try:
        ask()
    except openai.APIConnectionError as error:
        # No answer came: what broke is all that there is to tell.
        return [type(error).__name__, repr(error.__cause__), None]
    except openai.APIError as error:
        return [type(error).__name__, error.code, error.param]
    return []


main(*sys.argv[1:])
