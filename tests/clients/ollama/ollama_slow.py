"""Reads lines of a model that is slow, through each client of Ollama's for Python, all at once, and prints what came of them as
one line of JSON.

usage: ollama_slow.py BASE_URL API_KEY MODEL
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import litellm
import ollama
from langchain_ollama import ChatOllama, OllamaLLM

HELLO = [{"role": "user", "content": "Hello"}]


def main(host: str, api_key: str, model: str) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}
    client = ollama.Client(host=host, headers=headers, timeout=60)
    place = {"model": model, "base_url": host, "client_kwargs": {"headers": headers, "timeout": 60}}

    def chat() -> list:
        parts = list(client.chat(model=model, messages=HELLO, stream=True))
        return ["".join(part.message.content for part in parts), [part.done for part in parts].count(True)]

    def generate() -> list:
        parts = list(client.generate(model=model, prompt="Hello", stream=True))
        return ["".join(part.response for part in parts), [part.done for part in parts].count(True)]

    def langchain() -> list:
        gathered = None
        for part in ChatOllama(**place).stream("Hello"):
            gathered = part if gathered is None else gathered + part
        return [gathered.content, 1 if gathered.response_metadata["done_reason"] == "stop" else 0]

    def completed() -> list:
        return ["".join(OllamaLLM(**place).stream("Hello")), 1]

    def lite() -> list:
        ask = {"model": f"ollama_chat/{model}", "api_base": host, "api_key": api_key, "messages": HELLO, "timeout": 60}
        parts = list(litellm.completion(**ask, stream=True))
        ends = [part.choices[0].finish_reason for part in parts]
        return ["".join(part.choices[0].delta.content or "" for part in parts), ends.count("stop")]

    ways = [chat, generate, langchain, completed, lite]
    with ThreadPoolExecutor(len(ways)) as pool:
        running = {way.__name__: pool.submit(way) for way in ways}
        print(json.dumps({name: future.result() for name, future in running.items()}))


main(*sys.argv[1:])
