"""Goes through what Ollama's own client for Python does, and prints what came of it as one line of JSON.

usage: ollama_chat.py BASE_URL API_KEY MODEL
"""

import json
import sys

import ollama

HELLO = [{"role": "user", "content": "Hello"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def weather(city: str) -> str:
    """Tells the weather.

    Args:
      city: Where.
    """
    return f"Rain in {city}."


def main(base_url: str, api_key: str, model: str) -> None:
    client = ollama.Client(host=base_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=20)
    whole = client.chat(model=model, messages=HELLO, options={"num_predict": 64})
    parts = list(client.chat(model=f"{model}:latest", messages=HELLO, options={"num_predict": 64}, stream=True))
    thought = list(client.chat(model=model, messages=HELLO, think=True, stream=True))
    called = client.chat(model=model, messages=HELLO, tools=[weather])
    results = [
        {"role": "tool", "tool_name": call.function.name, "content": weather(**call.function.arguments)}
        for call in called.message.tool_calls
    ]
    after = client.chat(model=model, messages=[*HELLO, called.message, *results], tools=[weather])
    formed = client.chat(model=model, messages=HELLO, format=CITY, think=False)
    generated = list(client.generate(model=model, prompt="Hello", system="Be.", stream=True))
    raw = client.generate(model=model, prompt="<|im_start|>", raw=True)
    cut = client.chat(model=model, messages=HELLO, options={"num_predict": 2})
    listed, shown = client.list(), client.show(model)
    loaded = client.generate(model=model, keep_alive=0)
    print(
        json.dumps(
            {
                "whole": told([whole]),
                "streamed": told(parts),
                "pieces": len(parts),
                "thought": told(thought),
                "called": told([called]),
                "after": told([after]),
                "formed": told([formed]),
                "generated": "".join(part.response for part in generated) + generated[-1].done_reason,
                "raw": raw.response,
                "cut": told([cut]),
                "models": [entry.model for entry in listed.models],
                "running": [entry.model for entry in client.ps().models],
                "modified": listed.models[0].modified_at.year,
                "capabilities": shown.capabilities,
                "context": [value for name, value in shown.modelinfo.items() if name.endswith(".context_length")],
                "loaded": loaded.done_reason,
                "embed": refused(lambda: client.embed(model=model, input="x")),
                "pull": refused(lambda: client.pull("x")),
                "unknown": refused(lambda: client.chat(model="other", messages=HELLO)),
                "image": refused(lambda: client.chat(model=model, messages=[HELLO[0] | {"images": [b"x"]}])),
                "broken": refused(lambda: list(client.chat(model=model, messages=HELLO, stream=True))),
            }
        )
    )


def told(parts: list) -> dict:
    last = parts[-1]
    calls = [call for part in parts for call in part.message.tool_calls or []]
    return {
        "content": "".join(part.message.content or "" for part in parts),
        "thinking": "".join(part.message.thinking or "" for part in parts),
        "calls": [[call.function.name, dict(call.function.arguments)] for call in calls],
        "done": last.done_reason,
        "counts": [last.prompt_eval_count, last.eval_count],
        "timed": min(last.total_duration, last.load_duration, last.prompt_eval_duration, last.eval_duration) > 0,
    }


def refused(ask) -> list:
    try:
        ask()
    except ollama.ResponseError as error:
        return [error.status_code, error.error]
    return []


main(*sys.argv[1:])
