"""Has responses answered in the background with OpenAI's own client for Python, and prints what came of it as one line of JSON.

usage: openai_background.py BASE_URL API_KEY OTHER_KEY MODEL
"""

import json
import sys
import time

import openai


def main(base_url: str, api_key: str, other_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    other = client.with_options(api_key=other_key)
    ask = {"model": model, "max_output_tokens": 64}
    later = {**ask, "background": True, "store": True}
    first = client.responses.create(**later, input="Hello", instructions="Be brief.")
    answered = over(client, first.id)
    second = over(client, client.responses.create(**later, input="More", previous_response_id=first.id).id)
    third = client.responses.create(**ask, input="And?", previous_response_id=second.id)
    items = client.responses.input_items.list(first.id)
    cancelled = client.responses.cancel(first.id)
    client.responses.delete(second.id)
    print(
        json.dumps(
            {
                "begun": [first.status, first.background, first.output_text, first.instructions],
                "said": [answered.output_text, second.output_text, third.output_text],
                "status": [answered.status, second.status],
                "same_id": [answered.id == first.id, answered.output[0].id.split("_")[2] in first.id],
                "usage": [answered.usage.output_tokens > 0, first.usage is None],
                "previous": second.previous_response_id == first.id,
                "items": [item.content[0].text for item in items],
                "cancelled": cancelled.to_dict() == answered.to_dict(),
                "gone": refused(lambda: client.responses.retrieve(second.id)),
                "not_cancelled": refused(lambda: client.responses.cancel(client.responses.create(**ask, input="x", store=True).id)),
                "others": [refused(lambda: other.responses.retrieve(first.id)), refused(lambda: other.responses.cancel(first.id))],
                "not_kept": refused(lambda: client.responses.create(**ask, input="x", background=True)),
                "streamed": refused(lambda: list(client.responses.create(**later, input="x", stream=True))),
            }
        )
    )


def over(client, response_id: str):
    """A response once it is over."""
    end = time.monotonic() + 20
    while True:
        response = client.responses.retrieve(response_id)
        if response.status not in ("queued", "in_progress"):
            return response
        if time.monotonic() > end:
            raise TimeoutError(response.status)
        time.sleep(0.05)


def refused(ask) -> list:
    try:
        ask()
    except openai.APIError as error:
        return [type(error).__name__, error.code, error.param]
    return []


main(*sys.argv[1:])
