"""Meets a limit through Ollama's own client for Python and through LangChain's, whole and streamed, and prints what each
was told as one line of JSON.

usage: ollama_limit.py BASE_URL API_KEY MODEL
"""

import json
import sys

import ollama
from langchain_ollama import ChatOllama


def main(base_url: str, api_key: str, model: str) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}
    client = ollama.Client(host=base_url, headers=headers, timeout=20)
    chat = ChatOllama(model=model, base_url=base_url, client_kwargs={"headers": headers, "timeout": 20})
    ask = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    ways = {
        "first": lambda: client.chat(**ask),
        "whole": lambda: client.chat(**ask),
        "streamed": lambda: list(client.chat(**ask, stream=True)),
        "langchain": lambda: chat.invoke("Hello"),
        "no_key": lambda: ollama.Client(host=base_url, timeout=20).chat(**ask),
    }
    print(json.dumps({name: told(way) for name, way in ways.items()}))


def told(ask) -> list:
    try:
        ask()
    except ollama.ResponseError as error:
        return [error.status_code, error.error]
    return [200, ""]


main(*sys.argv[1:])
