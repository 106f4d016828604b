"""Goes through what langchain-ollama does, and prints what came of it as one line of JSON.

usage: ollama_langchain.py BASE_URL API_KEY MODEL
"""

import json
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_ollama import ChatOllama, OllamaLLM
from pydantic import BaseModel


class weather(BaseModel):
    """Tells the weather."""

    city: str


def main(base_url: str, api_key: str, model: str) -> None:
    kwargs = {"headers": {"Authorization": f"Bearer {api_key}"}, "timeout": 20}
    place = {"model": model, "base_url": base_url, "client_kwargs": kwargs}
    chat = ChatOllama(**place, num_predict=128, validate_model_on_init=True)
    whole = chat.invoke("Hello")
    parts = list(chat.stream("Hello"))
    thought = ChatOllama(**place, reasoning=True).invoke("Hello")
    called = chat.bind_tools([weather]).invoke("Hello")
    results = [ToolMessage("Rain.", tool_call_id=call["id"], name=call["name"]) for call in called.tool_calls]
    after = chat.bind_tools([weather]).invoke([HumanMessage("Hello"), called, *results])
    formed = ChatOllama(**place, reasoning=False).with_structured_output(weather).invoke("Hello")
    print(
        json.dumps(
            {
                "whole": whole.content,
                "usage": [whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]],
                "done": whole.response_metadata["done_reason"],
                "streamed": "".join(part.content for part in parts),
                "thought": [thought.additional_kwargs.get("reasoning_content"), thought.content],
                "called": [[call["name"], call["args"]] for call in called.tool_calls],
                "after": after.content,
                "formed": formed.city,
                "completed": OllamaLLM(**place).invoke("Hello"),
            }
        )
    )


main(*sys.argv[1:])
