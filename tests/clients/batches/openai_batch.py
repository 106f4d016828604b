"""Makes a batch with OpenAI's own client for Python, waits for it, and prints what came of it as one line of JSON.

usage: openai_batch.py BASE_URL API_KEY OTHER_KEY MODEL
"""

import io
import json
import sys
import time

import openai


def main(base_url: str, api_key: str, other_key: str, model: str) -> None:
    client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=20)
    other = client.with_options(api_key=other_key)
    asked = [{"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": name}]} for name in ("a", "b", "c")]
    lines = [
        {"custom_id": f"line-{place}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        for place, body in enumerate(asked)
    ]
    content = "\n".join(json.dumps(line) for line in lines)
    file = client.files.create(file=("lines.jsonl", io.BytesIO(content.encode())), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"run": "7"}
    )
    made = batch.status
    while batch.status in ("validating", "in_progress", "finalizing"):
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    results = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    bad = client.files.create(file=("bad.jsonl", io.BytesIO(b"{")), purpose="batch")
    failed = client.batches.create(input_file_id=bad.id, endpoint="/v1/chat/completions", completion_window="24h")
    while failed.status == "validating":
        time.sleep(0.05)
        failed = client.batches.retrieve(failed.id)
    print(
        json.dumps(
            {
                "made": made,
                "status": batch.status,
                "counts": batch.request_counts.to_dict(),
                "metadata": batch.metadata,
                "said": {
                    result["custom_id"]: result["response"]["body"]["choices"][0]["message"]["content"]
                    for result in results
                },
                "content": client.files.content(file.id).text == content,
                "file": [file.filename, file.bytes == len(content), file.purpose],
                "listed": [len(list(client.files.list())), [one.id for one in client.batches.list()] == [failed.id, batch.id]],
                "failed": [failed.status, failed.errors.data[0].line, failed.errors.data[0].code],
                "deleted": client.files.delete(file.id).deleted,
                "gone": refused(lambda: client.files.retrieve(file.id)),
                "finished": refused(lambda: client.batches.cancel(batch.id)),
                "others": [
                    refused(lambda: other.batches.retrieve(batch.id)),
                    refused(lambda: other.files.content(batch.output_file_id)),
                ],
                "purpose": refused(lambda: client.files.create(file=b"x", purpose="fine-tune")),
            }
        )
    )


def refused(ask) -> list:
    try:
        ask()
    except openai.APIError as error:
        return [type(error).__name__, error.code]
    return []


main(*sys.argv[1:])
