"""LiteLLM's `custom_auth` hook: limits for each key without Postgres, which its own keys would need."""
import os

from fastapi import HTTPException, Request
from litellm.proxy._types import UserAPIKeyAuth

KEYS = frozenset(os.environ["BENCH_KEYS"].split(","))
LIMIT = int(os.environ["BENCH_LIMIT"])


async def user_api_key_auth(request: Request, api_key: str) -> UserAPIKeyAuth:
    if api_key not in KEYS:
        raise HTTPException(401, "invalid API key")
    return UserAPIKeyAuth(api_key=api_key, rpm_limit=LIMIT)
