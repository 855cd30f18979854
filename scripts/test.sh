#!/usr/bin/env bash
#
# Checks the project: lint, format, imports, types, then the tests. All run even
# if one fails; the exit status is 0 only if all passed. Needs no GPU, and no network
# once the environment is set up.
#
#   bash scripts/test.sh                       everything
#   bash scripts/test.sh tests/test_setup.py   arguments go to pytest; paths
#                                              are relative to the repo

set -euo pipefail

setup_extras="test ray onnx"
source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"
cd "$repo_root"

failed=()
"$PYTHON" -m ruff check . || failed+=("ruff check")
"$PYTHON" -m ruff format --check . || failed+=("ruff format")
"$PYTHON" -c "from importlinter.cli import lint_imports as lint
raise SystemExit(lint())" || failed+=("imports")
"$PYTHON" -m mypy || failed+=("types")
# Two processes, each with whole files, in the order of tests/conftest.py: half
# the time on two cores.
"$PYTHON" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@" ||
  failed+=("pytest")

if ((${#failed[@]})); then
  printf 'enas: failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
