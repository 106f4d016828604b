"""Reranks through LiteLLM, as its users would before a vLLM server, and prints what came of it as one line of JSON.

usage: rerank.py BASE_URL API_KEY MODEL
"""

import json
import os
import sys

# It would fetch a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402

# It prints where to ask for help.
litellm.suppress_debug_info = True

DOCUMENTS = ["rain in spring", "Grüße, 世界", "niar"]


def main(base_url: str, api_key: str, model: str) -> None:
    def rerank(**others):
        return litellm.rerank(
            model=f"hosted_vllm/{model}", api_base=f"{base_url}/v1", api_key=api_key, query="rain", **others
        )

    whole = rerank(documents=DOCUMENTS, return_documents=False)
    best = rerank(documents=[{"text": text} for text in DOCUMENTS], top_n=1)
    try:
        rerank(documents=[])
        refused = None
    except Exception as error:  # Which one it raises is its own affair; what it says is ours.
        refused = str(error)
    print(
        json.dumps(
            {
                "order": [result["index"] for result in whole.results],
                "scores": [result["relevance_score"] for result in whole.results],
                "best": best.results[0]["document"]["text"],
                "told": len(best.results),
                "tokens": whole.meta["tokens"]["input_tokens"],
                "refused": refused,
            }
        )
    )


main(*sys.argv[1:])
