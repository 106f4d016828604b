"""Runs the snippets of docs/clients.md in one language of a client's, as they stand there, and prints what they printed:
those that name `tiny-embed` where the model is that one, and else the others.

usage: snippets.py PAGE HOST KEY MODEL
"""

import contextlib
import io
import json
import os
import re
import sys
import time

# LiteLLM would fetch a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import anthropic  # noqa: E402
import litellm  # noqa: E402
import ollama  # noqa: E402
import openai  # noqa: E402
from langchain_ollama import ChatOllama  # noqa: E402
from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: E402

EMBEDS = "tiny-embed"

NAMES = {
    "json": json,
    "time": time,
    "anthropic": anthropic,
    "litellm": litellm,
    "ollama": ollama,
    "openai": openai,
    "ChatOllama": ChatOllama,
    "ChatOpenAI": ChatOpenAI,
    "OpenAIEmbeddings": OpenAIEmbeddings,
}


def main(page: str, host: str, key: str, model: str) -> None:
    with open(page, encoding="utf-8") as file:
        snippets = re.findall(r"^```python\n(.*?)^```$", file.read(), re.M | re.S)
    said = []
    for snippet in (snippet for snippet in snippets if (EMBEDS in snippet) == (model == EMBEDS)):
        code = re.sub(r"/tiny(?![\w-])", f"/{model}", snippet).replace("https://HOST", host).replace("KEY", key).replace('"tiny"', json.dumps(model))
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(code, page, "exec"), dict(NAMES))
        said.append(out.getvalue().strip())
    print(json.dumps(said))


main(*sys.argv[1:])
