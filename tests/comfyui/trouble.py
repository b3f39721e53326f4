"""A node pack of one file, for test_engines.py alone: it watches the server and makes trouble.

GET /trouble       what the server did so far, see `state`
POST /trouble      {"shortages": N}: memory ends in the next N denoising steps
                   {"look_up": HOST}: what a call to a stranger begins with
"""

import ipaddress
import socket
import sys

import psutil
import torch
from aiohttp import web
from comfy import model_management
from diffusers import Flux2Transformer2DModel
from huggingface_hub import constants
from server import PromptServer

NODE_CLASS_MAPPINGS = {}
MIB = 2**20

state = {
    "steps": 0,  # of denoising, begun
    "interrupted_at": None,  # how many were begun when stop was pressed
    "shortages": 0,  # still to come
    "loads": 0,  # pipelines opened
    "strangers": [],  # hosts that are not this machine and were looked up or called
}


def watch(event, arguments):
    """Counts what the interpreter itself reports; nothing in the process can pass by it."""
    if event == "open" and str(arguments[0]).endswith("model_index.json"):
        state["loads"] += 1
    elif event == "socket.getaddrinfo":
        note(arguments[0])
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        note(arguments[1][0])


def note(host):
    host = host.decode() if isinstance(host, bytes) else host
    if host in (None, "", "localhost"):
        return
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if not near:
        state["strangers"].append(str(host))


def forward(self, *arguments, **options):
    state["steps"] += 1
    if state["shortages"] > 0:
        state["shortages"] -= 1
        raise torch.OutOfMemoryError("injected")
    return paint(self, *arguments, **options)


def interrupt(value=True):
    if value:
        state["interrupted_at"] = state["steps"]
    return stop(value)


paint, Flux2Transformer2DModel.forward = Flux2Transformer2DModel.forward, forward
stop = model_management.interrupt_current_processing
model_management.interrupt_current_processing = interrupt
constants.HF_HUB_OFFLINE = False  # the pack itself must not ask, whether it may or not
sys.addaudithook(watch)


@PromptServer.instance.routes.get("/trouble")
async def tell(request):
    resident = psutil.Process().memory_info().rss / MIB
    return web.json_response({**state, "resident_mb": resident})


@PromptServer.instance.routes.post("/trouble")
async def make(request):
    wanted = await request.json()
    if "look_up" in wanted:
        socket.getaddrinfo(wanted.pop("look_up"), 443, flags=socket.AI_NUMERICHOST)
    state.update(wanted)
    return web.json_response(state)
