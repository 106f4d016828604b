"""FastAPI + SlowAPI + Redis in front of an OpenAI-compatible origin. All settings come from the environment."""
import os
from contextlib import asynccontextmanager

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded

CHAT = "/v1/chat/completions"
KEYS = {"Bearer " + key for key in os.environ["BENCH_KEYS"].split(",")}

limiter = Limiter(
    key_func=lambda request: request.headers.get("authorization", ""),
    storage_uri=os.environ["BENCH_REDIS"],
    strategy=os.environ["BENCH_STRATEGY"],
    headers_enabled=os.environ["BENCH_HEADERS"] == "1",
)


@asynccontextmanager
async def lifespan(app: FastAPI):
    limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
    origin = os.environ["BENCH_ORIGIN"]
    app.state.client = httpx.AsyncClient(base_url=origin, timeout=30, limits=limits, trust_env=False)
    yield
    await app.state.client.aclose()


app = FastAPI(lifespan=lifespan)
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)


async def check_key(request: Request):
    if request.headers.get("authorization") not in KEYS:
        raise HTTPException(401, "invalid API key")


@app.get("/healthz")
async def healthz():
    return {"ok": True}


@app.post(CHAT, dependencies=[Depends(check_key)])
@limiter.limit(os.environ["BENCH_LIMIT"])
async def chat(request: Request):
    client: httpx.AsyncClient = request.app.state.client
    headers = {"content-type": "application/json"}
    upstream = client.build_request("POST", CHAT, content=await request.body(), headers=headers)
    answer = await client.send(upstream, stream=True)
    kind = answer.headers.get("content-type", "application/json")
    if kind.startswith("text/event-stream"):
        async def relay():
            try:
                async for part in answer.aiter_raw():
                    yield part
            finally:
                await answer.aclose()
        return StreamingResponse(relay(), status_code=answer.status_code, media_type=kind)
    body = await answer.aread()
    await answer.aclose()
    return Response(body, status_code=answer.status_code, media_type=kind)
