"""LangChain's client for OpenAI, which cuts texts into ids of a tokenizer's and sends those; prints what came of it.

usage: embeddings_ids.py BASE_URL API_KEY MODEL
"""

import json
import sys

from langchain_openai import OpenAIEmbeddings


class Bytes:
    """A tokenizer whose tokens are bytes, in the place of the one that would be fetched."""

    def encode_ordinary(self, text):
        return list(text.encode())

    def encode(self, text, **_):
        return list(text.encode())


def main(base_url: str, api_key: str, model: str) -> None:
    import tiktoken

    tiktoken.encoding_for_model = lambda _: Bytes()
    tiktoken.get_encoding = lambda _: Bytes()
    chain = OpenAIEmbeddings(model=model, base_url=f"{base_url}/v1", api_key=api_key, max_retries=0)
    print(json.dumps([chain.embed_documents(["rain", "Grüße, 世界"]), chain.embed_query("rain")]))


main(*sys.argv[1:])
