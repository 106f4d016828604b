"""Goes through what langchain-openai does with responses, and prints what came of it as one line of JSON.

usage: openai_langchain.py BASE_URL API_KEY MODEL
"""

import json
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class weather(BaseModel):
    """Tells the weather."""

    city: str


def main(base_url: str, api_key: str, model: str) -> None:
    place = {"model": model, "base_url": base_url, "api_key": api_key, "max_retries": 0, "timeout": 20}
    chat = ChatOpenAI(**place, use_responses_api=True, max_tokens=256)
    whole = chat.invoke("Hello")
    parts = list(chat.stream("Hello"))
    called = chat.bind_tools([weather]).invoke("Hello")
    results = [ToolMessage("Rain.", tool_call_id=call["id"]) for call in called.tool_calls]
    after = chat.bind_tools([weather]).invoke([HumanMessage("Hello"), called, *results])
    formed = chat.with_structured_output(weather).invoke("Hello")
    print(
        json.dumps(
            {
                "whole": whole.text,
                "usage": [whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]],
                "streamed": "".join(part.text for part in parts),
                "called": [[call["name"], call["args"]] for call in called.tool_calls],
                "after": after.text,
                "formed": formed.city,
            }
        )
    )


main(*sys.argv[1:])
