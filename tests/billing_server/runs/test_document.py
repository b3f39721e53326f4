"""Answers about real jobs and assets are what the OpenAPI document says."""

import sys
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="Run: pip install -r billing_server/requirements.txt")
from blake3 import blake3

sys.path.append(str(Path(__file__).parent))  # runs_*.py are modules of no package
from runs_given import CREDIT, PNG, graph


@pytest.fixture
def said(app, caller, parts):
    """Calls, and compares each answer with the document."""
    import jsonschema

    document = app.test_client().get("/openapi.json").json
    who = caller("run", "read")
    parts.ledger.grant(who.account, 1000 * CREDIT, "paid", key="g")

    def call(method, template, body=None, **more):
        names = more.pop("names", {})
        answer = who(method, template.format(**names), body, **more)
        operation = document["paths"][template][method.lower()]
        told = operation["responses"][str(answer.status_code)]
        while "$ref" in told:
            told = document["components"]["responses"][told["$ref"].rpartition("/")[2]]
        content = told.get("content", {})
        assert {answer.mimetype, "*/*"} & content.keys() or not answer.data
        if schema := content.get("application/json", {}).get("schema"):
            whole = schema | {"components": document["components"]}
            jsonschema.validate(answer.json, whole)
            given = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            assert answer.json.keys() <= given["properties"].keys()  # nothing is left unsaid
        return answer

    return call


def test_a_job_from_quote_to_output_is_as_the_document_says(said, machine, clock):
    one = machine()
    asset = said("POST", "/api/v2/assets", data={"file": (BytesIO(PNG), "a.png")}).json
    assert said("GET", "/api/v2/assets/{id_}", names={"id_": asset["id"]}).status_code == 200
    told = {"hash": asset["hash"], "file_path": "b.png"}
    assert said("POST", "/api/v2/assets/from-hash", told).status_code == 201
    assert said("POST", "/api/v2/quote", {"workflow": graph()}).json["runnable"] is True
    job = said("POST", "/api/v2/jobs", {"workflow": graph(), "metadata": {"workflow": "a"}}).json
    names = {"id_": job["id"]}
    lease = one("POST", "/lease", {"worker": one.id}).json
    clock.advance(seconds=4)
    token = {"token": lease["token"]}
    told = token | {"gpu_ms": 2000, "phase": "executing", "phases": {"loading": 900}}
    told["progress"] = [{"node": "1", "value": 1, "max": 4}]
    one("POST", f"/runs/{job['id']}/heartbeat", told)
    assert said("GET", "/api/v2/jobs/{id_}", names=names).json["progress"]["phase"] == "executing"
    place = f"/runs/{job['id']}/outputs/{blake3(PNG).hexdigest()}"
    query = {"node": "2", "name": "a.png", "type": "output"}
    made = one("PUT", place, query_string=query, data=PNG, **token).json
    one("POST", f"/runs/{job['id']}/complete", told | {"outputs": [made]})
    assert said("POST", "/api/v2/jobs/{id_}/cancel", names=names).json["status"] == "succeeded"
    assert said("GET", "/api/v2/jobs/{id_}", names=names).json["outputs"][0]["type"] == "image"
    assert len(said("GET", "/api/v2/jobs").json["jobs"]) == 1
    said("GET", "/api/v2/jobs/{id_}/workflow", names=names)
    said("GET", "/api/v2/models")
    assert said("GET", "/api/v2/jobs/{id_}", names={"id_": "none"}).status_code == 404
    content = said("GET", "/api/v2/assets/{id_}/content", names={"id_": asset["id"]})
    assert content.data == PNG
    content.close()
    assert said("DELETE", "/api/v2/assets/{id_}", names={"id_": asset["id"]}).status_code == 204


def test_a_job_that_failed_is_as_the_document_says(said, machine):
    one = machine()
    job = said("POST", "/api/v2/jobs", {"workflow": graph()}).json
    lease = one("POST", "/lease", {"worker": one.id}).json
    told = {"token": lease["token"], "gpu_ms": 0, "fault": "workflow", "code": "x", "message": "a"}
    one("POST", f"/runs/{job['id']}/fail", told)
    error = said("GET", "/api/v2/jobs/{id_}", names={"id_": job["id"]}).json["error"]
    assert error == {"code": "x", "message": "a", "node_id": None}
