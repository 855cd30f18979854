#!/usr/bin/env bash
#
# Writes an architecture of a run, with its weights, as a plain Keras model:
# standard layers only, a .keras file or a SavedModel, which load and predict
# without this project.
#
#   bash scripts/export.sh --output_dir=outputs --to=network.keras
#   bash scripts/export.sh --output_dir=final --to=network.keras --to=network
#   bash scripts/export.sh --help
#
# Paths in arguments are relative to the folder you are in. Needs no GPU.

set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

exec "$PYTHON" -m enas.tools.export "$@"
