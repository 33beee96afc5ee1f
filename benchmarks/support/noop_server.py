"""`python -m benchmarks.support.noop_server PORT`: FastAPI, the same body model, and nothing done with it."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

from app.api.bodies import NewContact

api = FastAPI()


@api.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the server is there."""
    return {"status": "ok"}


@api.post("/noop")
async def noop(contact: NewContact) -> dict[str, str]:
    """Validate a contact and forget it."""
    return {"channel": contact.channel}


@api.post("/bare")
async def bare() -> dict[str, str]:
    """Do nothing at all."""
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(
        api,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
