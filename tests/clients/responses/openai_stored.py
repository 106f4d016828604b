"""Keeps responses with OpenAI's own client for Python, goes on from them, and prints what came of it as one line of JSON.

usage: openai_stored.py BASE_URL API_KEY OTHER_KEY MODEL
"""

import json
import sys

import openai


def main(base_url: str, api_key: str, other_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    other = client.with_options(api_key=other_key)
    ask = {"model": model, "max_output_tokens": 64}
    first = client.responses.create(**ask, input="Hello", instructions="Be brief.", store=True)
    got = client.responses.retrieve(first.id)
    with client.responses.stream(**ask, input="More", store=True, previous_response_id=first.id) as stream:
        for _ in stream:
            pass
        second = stream.get_final_response()
    third = client.responses.create(**ask, input=[{"role": "user", "content": "And?"}], previous_response_id=second.id)
    turns = [("Hello", first), ("More", second)]
    history = [item for text, answer in turns for item in ({"role": "user", "content": text}, *(one.to_dict() for one in answer.output))]
    whole = client.responses.create(**ask, input=[*history, {"role": "user", "content": "And?"}])
    named = [{"role": "user", "content": "Hello"}, {"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "So?"}]
    referred = client.responses.create(**ask, input=named)
    items = [{"role": "user", "content": text} for text in ("a", "b", "c")]
    several = client.responses.create(**ask, input=items, store=True)
    listed = {order: list(client.responses.input_items.list(several.id, order=order, limit=2)) for order in ("asc", "desc")}
    client.responses.delete(first.id)
    goes_on = lambda client, response: client.responses.create(**ask, input="x", previous_response_id=response.id)
    print(
        json.dumps(
            {
                "said": [answer.output_text for answer in (first, second, third, whole, referred)],
                "kept": [answer.store for answer in (first, second, third)],
                "previous": [second.previous_response_id == first.id, third.previous_response_id == second.id],
                "got": got.to_dict() == first.to_dict(),
                "streamed": client.responses.retrieve(second.id).to_dict() == sent(second.to_dict()),
                "usage": [third.usage.input_tokens, whole.usage.input_tokens],
                "listed": {order: [item.content[0].text for item in page] for order, page in listed.items()},
                "types": [[item.type, item.role, item.id.startswith("msg_")] for item in listed["asc"]],
                "gone": refused(lambda: client.responses.retrieve(first.id)),
                "gone_on": refused(lambda: goes_on(client, second)),
                "deleted_again": refused(lambda: client.responses.delete(first.id)),
                "not_kept": refused(lambda: client.responses.retrieve(third.id)),
                "others": [refused(lambda: other.responses.retrieve(second.id)), refused(lambda: goes_on(other, second))],
                "never": refused(lambda: client.responses.retrieve("resp_req_0000000000000000000000")),
                "background": refused(lambda: client.responses.create(**ask, input="x", background=True)),
            }
        )
    )


def sent(value):
    """An answer of a stream without the members that the client adds to it."""
    if isinstance(value, list):
        return [sent(item) for item in value]
    if isinstance(value, dict):
        return {name: sent(member) for name, member in value.items() if name != "parsed"}
    return value


def refused(ask) -> list:
    try:
        ask()
    except openai.APIConnectionError as error:
        # No answer came: what broke is all that there is to tell.
        return [type(error).__name__, repr(error.__cause__), None]
    except openai.APIError as error:
        return [type(error).__name__, error.code, error.body["message"]]
    return []


main(*sys.argv[1:])
