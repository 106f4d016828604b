"""Flask + Flask-Limiter + Redis in front of an OpenAI-compatible origin. All settings come from the environment."""
import os

import requests
from flask import Flask, Response, jsonify, request
from flask_limiter import Limiter
from requests.adapters import HTTPAdapter

CHAT = "/v1/chat/completions"
ORIGIN = os.environ["BENCH_ORIGIN"]
KEYS = {"Bearer " + key for key in os.environ["BENCH_KEYS"].split(",")}

app = Flask(__name__)


@app.before_request
def check_key():
    if request.path != "/healthz" and request.headers.get("authorization") not in KEYS:
        return jsonify(error="invalid API key"), 401


limiter = Limiter(
    key_func=lambda: request.headers.get("authorization", ""),
    app=app,
    storage_uri=os.environ["BENCH_REDIS"],
    strategy=os.environ["BENCH_STRATEGY"],
    headers_enabled=os.environ["BENCH_HEADERS"] == "1",
)
session = requests.Session()
session.trust_env = False
session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=64))


@app.get("/healthz")
@limiter.exempt
def healthz():
    return jsonify(ok=True)


@app.post(CHAT)
@limiter.limit(os.environ["BENCH_LIMIT"])
def chat():
    headers = {"content-type": "application/json"}
    answer = session.post(ORIGIN + CHAT, data=request.get_data(), headers=headers, stream=True, timeout=30)
    kind = answer.headers.get("content-type", "application/json")
    if kind.startswith("text/event-stream"):
        return Response(answer.iter_content(chunk_size=None), status=answer.status_code, content_type=kind)
    return Response(answer.content, status=answer.status_code, content_type=kind)
