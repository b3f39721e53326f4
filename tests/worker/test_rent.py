"""Files that rent a GPU or build a container: by SkyPilot's own schema, and by rules of ours."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest
from dressform.comfyui import sandbox

yaml = pytest.importorskip("yaml", reason="Run: pip install pyyaml")

RENT = Path(__file__).resolve().parents[2] / "worker" / "rent"
TASKS = sorted(RENT.glob("*.yaml"))
TASKS = [path for path in TASKS if path.name != "compose.yaml"]
SKYPILOT = "skypilot==0.14.1"
KEY = "DRESSFORM_WORKER_KEY"

# SkyPilot's requirements are many; of its modules the schema needs three. The others are absent
# here, and what the schema takes of them (modes of storage, for one) is left open.
SCHEMAS = """
import importlib, importlib.abc, importlib.machinery, importlib.util, json, sys, types
from pathlib import Path
from unittest.mock import MagicMock

REAL = {"sky.utils.schemas", "sky.utils.kubernetes_enums", "sky.skylet.constants",
        "sky.setup_files.dependencies"}

class Partly(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in REAL:
            file = Path(sys.argv[1], *name.split(".")).with_suffix(".py")
            return importlib.util.spec_from_file_location(name, file)
        if name.partition(".")[0] == "sky":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__path__, module.__version__ = [], "0"
        def get(name):
            whole = f"{spec.name}.{name}"
            return importlib.import_module(whole) if whole in REAL else MagicMock()
        module.__getattr__ = get
        return module

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Partly())
schemas = importlib.import_module("sky.utils.schemas")
made = {"task": schemas.get_task_schema(), "resources": schemas.get_resources_schema()}
print(json.dumps(made, default=lambda one: list(one)))
"""


@pytest.fixture(scope="module")
def schemas(tmp_path_factory, need):
    """SkyPilot's own, of a task and of its resources."""
    folder = tmp_path_factory.mktemp("skypilot")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    done = subprocess.run([*command, SKYPILOT], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        need("a package index with SkyPilot", "Connect to one.")
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "wheel")
    command = [sys.executable, "-c", SCHEMAS, folder / "wheel"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def insensitive(_, known, given, __):
    if known and given.lower() not in {one.lower() for one in known}:
        yield jsonschema.ValidationError(f"{given!r} is none of {known!r}")


def problems(schema, document):
    kinds = {"case_insensitive_enum": insensitive}
    judge = jsonschema.validators.extend(jsonschema.Draft7Validator, kinds)
    return [error.message for error in judge(schema).iter_errors(document)]


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_there_are_tasks():
    assert {path.name for path in TASKS} == {"on_demand.yaml", "spot.yaml"}


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_task_is_what_skypilot_takes(path, schemas):
    task = read(path)
    resources = task.pop("resources")
    assert problems(schemas["task"], task) == []
    assert problems(schemas["resources"], resources) == []
    # The check itself can fail.
    assert problems(schemas["task"], task | {"secret": {}})
    assert problems(schemas["resources"], resources | {"infra": "cloud nine"})
    assert problems(schemas["resources"], resources | {"use_spot": "yes"})


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_task_gets_its_key_as_a_secret_and_only_dials_out(path):
    task = read(path)
    assert task["secrets"] == {KEY: None}
    assert task["envs"] == {"DRESSFORM_SERVER": None}
    assert "ports" not in task["resources"]
    assert KEY not in task["setup"] + task["run"]  # the worker reads it itself
    assert "--server" in task["run"]


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_task_may_run_on_several_clouds_for_a_bounded_price(path):
    resources = read(path)["resources"]
    assert len(resources["any_of"]) > 2
    assert 0 < resources["max_hourly_cost"] < 10
    assert resources.get("use_spot", False) == (path.name == "spot.yaml")


@pytest.mark.skipif(not shutil.which("bash"), reason="asks for bash. Install it.")
@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
@pytest.mark.parametrize("part", ["setup", "run"])
def test_scripts_are_bash(path, part):
    command = [shutil.which("bash"), "-n"]
    done = subprocess.run(command, input=read(path)[part], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_commands_of_tasks_are_commands_of_ours(path):
    from dressform import cli

    task = read(path)
    for line in re.findall(r"\.venv/bin/dressform (.+)", task["setup"] + task["run"]):
        options = cli._parser().parse_args(line.replace('"$DRESSFORM_SERVER"', "https://s").split())
        assert callable(options.command)


def test_container_is_nobody_s_root_and_writes_nowhere_but_its_volume():
    lines = (RENT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split(maxsplit=1) for line in lines if re.match(r"[A-Z]+ ", line)]
    users = [rest for word, rest in words if word == "USER"]
    assert users == ["worker"]
    after = [word for word, _ in words][[word for word, _ in words].index("USER") :]
    assert "RUN" not in after
    service = read(RENT / "compose.yaml")["services"]["worker"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "ports" not in service
    assert service["secrets"] == ["worker_key"]


def test_container_carries_no_pack_but_ours_and_no_manager():
    text = "\n".join(
        line
        for line in (RENT / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    assert "anager" not in text
    assert "custom_nodes" not in text
    assert "bubblewrap" in text


def test_no_file_holds_a_key():
    for path in RENT.iterdir():
        assert not re.search(r"df_[A-Za-z0-9_-]{10,}", path.read_text(encoding="utf-8"))
    assert "environment" not in read(RENT / "compose.yaml")["services"]["worker"]


def test_key_is_for_the_container_s_user_and_not_for_git():
    folder = read(RENT / "compose.yaml")["secrets"]["worker_key"]["file"]
    assert folder.endswith(".key")
    assert "*.key" in (RENT.parents[1] / ".gitignore").read_text(encoding="utf-8").split()
    uid = re.search(r"useradd .*--uid (\d+)", (RENT / "Dockerfile").read_text(encoding="utf-8"))[1]
    for text in (RENT / "compose.yaml", RENT.parents[1] / "docs" / "hosting.md"):
        assert f"--owner {uid} --mode 400" in text.read_text(encoding="utf-8")


def test_copied_context_leaves_out_what_is_not_needed():
    left = (RENT / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert {".venv", ".comfyui", ".git", "tests"} <= set(left)
    assert "**/*.key" in left  # where compose.yaml wants it is inside of the context
    assert not {"worker", "comfyui", "imaging", "nodes", "samples", "workflows"} & set(left)


@pytest.mark.comfyui
@pytest.mark.outside  # not every container may make namespaces
def test_worker_works_where_it_is_not_root_and_the_root_file_system_is_read_only(
    comfyui_folder, tmp_path, need
):
    """As compose.yaml has it; no Docker is asked for."""
    if not (bwrap := sandbox.bubblewrap()):
        need("a bubblewrap that works", "On Debian and Ubuntu: apt-get install bubblewrap")
    work = tmp_path / "work"
    (work / "tmp").mkdir(parents=True)
    around = [bwrap, "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    around += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", work, work]
    program = "import sys; from dressform import cli; sys.exit(cli.main(sys.argv[1:]))"
    told = {"COMFYUI_PATH": str(comfyui_folder), "HOME": str(work), "TMPDIR": str(work / "tmp")}
    done = subprocess.run(
        [*around, sys.executable, "-c", program, "worker", "calibrate", "--data", work],
        capture_output=True,
        text=True,
        env={**os.environ, **told, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((work / "calibration.json").read_text())["gpu_class"]
