"""Asks as the program `llm` does that is set up for a server of its own, and prints what came of it as one line of JSON.

usage: llm_prompt.py BASE_URL API_KEY MODEL
"""

import json
import os
import pathlib
import sys
import tempfile

home = pathlib.Path(tempfile.mkdtemp())
os.environ["LLM_USER_PATH"] = str(home)

import llm  # noqa: E402


def main(base_url: str, api_key: str, model: str) -> None:
    settings = {"model_id": "sluice", "model_name": model, "api_base": base_url, "api_key_name": "sluice"}
    # YAML, of which this is a part.
    (home / "extra-openai-models.yaml").write_text(json.dumps([settings]))
    # As `llm keys set sluice` leaves it.
    (home / "keys.json").write_text(json.dumps({"sluice": api_key}))
    sluice = llm.get_model("sluice")
    streamed = list(sluice.prompt("Hello", max_tokens=256))
    whole = sluice.prompt("Hello", max_tokens=256, stream=False)
    text, used = whole.text(), whole.usage()
    try:
        sluice.prompt("Hello", key="EMPTY").text()
        refused = "served"
    except Exception as error:
        refused = str(error)
    print(
        json.dumps(
            {
                "streamed": "".join(streamed),
                "pieces": len(streamed),
                "whole": text,
                "usage": [used.input, used.output],
                "refused": refused,
            }
        )
    )


main(*sys.argv[1:])
