"""Embeddings through the clients of OpenAI's API and of Ollama's, and prints what came of it as one line of JSON.

usage: embeddings.py BASE_URL API_KEY MODEL
"""

import json
import sys

import ollama
import openai
from langchain_ollama import OllamaEmbeddings
from langchain_openai import OpenAIEmbeddings

TEXTS = ["rain", "Grüße, 世界"]


def refused(call):
    try:
        call()
    except openai.APIStatusError as error:
        return [error.status_code, error.body["param"]]
    except ollama.ResponseError as error:
        return [error.status_code, error.error]
    return [200, None]


def main(base_url: str, api_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=api_key, max_retries=0, timeout=20)
    # It asks for base64 where nothing is said.
    default = client.embeddings.create(model=model, input=TEXTS)
    floats = client.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    ids = client.embeddings.create(model=model, input=[list(text.encode()) for text in TEXTS])
    short = client.embeddings.create(model=model, input="rain", dimensions=3)
    vectors = lambda answer: [one.embedding for one in answer.data]
    # Its own tokenizer is another model's, so texts are sent as they are.
    chain = OpenAIEmbeddings(
        model=model, base_url=f"{base_url}/v1", api_key=api_key, check_embedding_ctx_length=False, max_retries=0
    )
    headers = {"Authorization": f"Bearer {api_key}"}
    other = ollama.Client(host=base_url, headers=headers, timeout=20)
    embedded = other.embed(model=model, input=TEXTS)
    other_chain = OllamaEmbeddings(model=model, base_url=base_url, client_kwargs={"headers": headers})
    print(
        json.dumps(
            {
                "default": vectors(default),
                "floats": vectors(floats),
                "ids": vectors(ids),
                "short": vectors(short),
                "usage": [default.usage.prompt_tokens, default.usage.total_tokens],
                "langchain": chain.embed_documents(TEXTS),
                "langchain_query": chain.embed_query("rain"),
                "ollama": [list(one) for one in embedded.embeddings],
                "ollama_count": embedded.prompt_eval_count,
                "ollama_short": [list(one) for one in other.embed(model=model, input="rain", dimensions=3).embeddings],
                "ollama_older": list(other.embeddings(model=model, prompt="rain").embedding),
                "ollama_langchain": other_chain.embed_documents(TEXTS),
                "none": refused(lambda: client.embeddings.create(model=model, input="rain", dimensions=0)),
                "empty": refused(lambda: client.embeddings.create(model=model, input=[])),
                "chat": refused(
                    lambda: client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}])
                ),
                "ollama_chat": refused(lambda: other.chat(model=model, messages=[{"role": "user", "content": "x"}])),
            }
        )
    )


main(*sys.argv[1:])
