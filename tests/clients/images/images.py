"""Pictures through OpenAI's client, whole and streamed, and prints what came of them as one line of JSON.

usage: images.py BASE_URL API_KEY MODEL
"""

import json
import sys

import openai

ASKED = {"prompt": "a red square", "size": "64x64", "extra_body": {"seed": 7, "num_inference_steps": 4}}


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=api_key, max_retries=0, timeout=20)
    whole = client.images.generate(model=model, n=2, response_format="b64_json", **ASKED)
    events = list(client.images.generate(model=model, stream=True, partial_images=1, **ASKED))
    try:
        client.images.generate(model=model, prompt="x", size="63x64")
        refused = None
    except openai.BadRequestError as error:
        refused = error.body["param"]
    print(
        json.dumps(
            {
                "whole": [one.b64_json for one in whole.data],
                "usage": whole.usage.model_dump(),
                "size": whole.size,
                "types": [event.type for event in events],
                "streamed": events[-1].b64_json,
                "stream_usage": events[-1].usage.model_dump(),
                "refused": refused,
            }
        )
    )


main(*sys.argv[1:])
