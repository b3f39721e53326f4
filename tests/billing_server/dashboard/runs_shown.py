"""Hosted runs in every state, for pages to show."""

import json
import struct
import zlib

import sqlalchemy as sa

CREDIT = 1_000_000
CLASSES = {"EmptyImage": "comfyui", "SaveImage": "comfyui"}
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
}
PHASES = {"provisioning": 4_200, "loading": 9_800, "executing": 12_345, "uploading": 900}


def picture(width=320, height=400):
    """A PNG of two colours that run into each other."""
    rows = b"".join(
        b"\0"
        + bytes(one for x in range(width) for one in (x * 255 // width, 90, y * 255 // height))
        for y in range(height)
    )

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def make(site, account, label="mannequin to model"):
    """Makes runs of an account; returns their ids by state."""
    from blake3 import blake3
    from dressform.billing_server.runs.values import Caller

    site.rate()
    hosting, engine = site.parts.hosting, site.parts.engine
    with engine.begin() as connection:  # of other tests
        connection.execute(sa.text("UPDATE runs.worker SET seen_at = '-infinity'"))
        sql = "UPDATE runs.run SET gpu_class = 'past', start_by = 'infinity' WHERE state = 'queued'"
        connection.execute(sa.text(sql))
    site.ledger.grant(account, 100 * CREDIT, "paid", key=f"runs-{account}")
    _, key = site.parts.keys.create(account, "worker", ["worker"])
    told = {"about": {}, "environment": "e", "digests": {}, "models": ()}
    worker = hosting.leases.hello(key.id, "w", "test-gpu", node_classes=CLASSES, **told)

    def submit(number):
        metadata = {"workflow": label} if label else {}
        who = Caller(account, str(key.id))
        return hosting.runs.submit(who, GRAPH, key=f"r{number}", metadata=metadata)[0].id

    def lease():
        return hosting.leases.lease(key.id, worker, [], None, 0)

    made = {"succeeded": submit(1)}
    one = lease()
    data = picture()
    of = account, one.run, one.attempt
    outputs = [
        hosting.assets.output(*of, blake3(what).hexdigest(), [what], **named).id
        for what, named in (
            (data, {"node": "2", "name": "a_00001_.png", "type_": "output"}),
            (b"A red coat.", {"node": "3", "name": "text.txt", "type_": "text"}),
        )
    ]
    hosting.attempts.complete(one.run, one.token, 12_345, PHASES, outputs)
    made["failed"] = submit(2)
    one = lease()
    told = {"fault": "workflow", "code": "execution", "node": "1"}
    hosting.attempts.fail(one.run, one.token, 0, PHASES, message="The mask is empty.", **told)
    made["canceled"] = submit(3)
    hosting.runs.cancel(account, made["canceled"])
    made["running"] = submit(4)
    one = lease()
    beat = {"phase": "executing", "phases": {"loading": 9_800, "executing": 4_000}}
    hosting.attempts.heartbeat(one.run, one.token, 4_000, **beat)
    made["queued"] = submit(5)
    with engine.begin() as connection:  # as if it had taken its time
        sql = """UPDATE runs.run SET created_at = created_at - interval '40 s', phases = :phases,
            started_at = started_at - interval '30 s' WHERE id = :id"""
        values = {"id": made["succeeded"], "phases": json.dumps(PHASES)}
        connection.execute(sa.text(sql), values)
    return made
