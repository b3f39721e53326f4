# make demo | serve | test | check | format | clean. CONTRIBUTING.md has the raw commands for people without make.
# PYTHON names the interpreter for .venv: make demo PYTHON=python3.12

PYTHON ?= $(shell command -v python3.11 2>/dev/null || command -v python3 2>/dev/null || echo python)

# Relative, so that the folder of the checkout may have any name, spaces included.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
PYTEST_ARGUMENTS ?=
SERVE_ARGUMENTS ?=
# macOS has none, and does without.
FLOCK := $(shell command -v flock >/dev/null 2>&1 && echo flock Makefile)

.PHONY: demo serve test check format install clean

demo: $(STAMP)
	@"$(BIN)/python" -m dressform.cli demo --out out/demo

serve: $(STAMP)
	@"$(BIN)/python" -m dressform.cli serve --with-worker $(SERVE_ARGUMENTS)

test: $(STAMP)
	@"$(BIN)/python" -m dressform.cli comfyui
	"$(BIN)/python" -m pytest $(PYTEST_ARGUMENTS)

check: $(STAMP)
	"$(BIN)/ruff" format --check .
	"$(BIN)/ruff" check .
	"$(BIN)/pyright"

format: $(STAMP)
	"$(BIN)/ruff" format .
	"$(BIN)/ruff" check --fix .

install: $(STAMP)

ifdef LOCKED
$(STAMP): pyproject.toml requirements.txt comfyui/pinned.py
	@"$(PYTHON)" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is required, got " + sys.version.split()[0] + ". Run: make PYTHON=/path/to/python3.11")'
	@# An environment whose making was interrupted has a python and no pip; made again, it keeps its packages.
	@"$(BIN)/python" -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv $(VENV) || { echo "A virtual environment could not be made. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	"$(BIN)/python" comfyui/pinned.py > "$(VENV)/constraints.txt"
	"$(BIN)/python" -m pip install --quiet --disable-pip-version-check --constraint "$(VENV)/constraints.txt" --editable '.[test]'
	@# On a machine without libGL the same OpenCV, built without windows, takes its place.
	@"$(BIN)/python" -c 'import cv2' 2>/dev/null || "$(BIN)/python" -m pip install --quiet --disable-pip-version-check opencv-python-headless
	@touch "$(STAMP)"
else
# Two commands at once in one clone: the second waits, then finds the work done.
$(STAMP): pyproject.toml requirements.txt comfyui/pinned.py
	@$(FLOCK) "$(MAKE)" --no-print-directory LOCKED=1 "$(STAMP)"
endif

clean:
	rm -rf $(VENV) .comfyui out build .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
