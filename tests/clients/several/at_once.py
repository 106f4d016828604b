"""Streams that come all at once, as several clients read them: what each put together, by its way."""

import json
import sys

import anthropic
import ollama
import openai

base, key, model = sys.argv[1:4]
asked = [{"role": "user", "content": "Say something."}]
came = {}

client = openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0)
chunks = client.chat.completions.create(model=model, messages=asked, max_tokens=8, stream=True)
came["chat"] = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
chunks = client.completions.create(model=model, prompt="Say something.", max_tokens=8, stream=True)
came["completion"] = "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
with client.responses.stream(model=model, input="Say something.", max_output_tokens=8, store=False) as stream:
    for _ in stream:
        pass
    came["response"] = stream.get_final_response().output_text

claude = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0)
with claude.messages.stream(model=model, messages=asked, max_tokens=8) as stream:
    text = "".join(stream.text_stream)
    came["message"] = text if stream.get_final_message().content[0].text == text else "the final message differs"

llama = ollama.Client(host=base, headers={"Authorization": f"Bearer {key}"})
lines = list(llama.chat(model=model, messages=asked, options={"num_predict": 8}, stream=True))
came["ollama"] = "".join(line.message.content or "" for line in lines) if lines[-1].done else "it does not end"
lines = list(llama.generate(model=model, prompt="Say something.", options={"num_predict": 8}, stream=True))
came["generate"] = "".join(line.response or "" for line in lines) if lines[-1].done else "it does not end"

print(json.dumps(came))
