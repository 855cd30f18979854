#!/usr/bin/env bash
#
# Writes an architecture of a run, with its weights, as a plain Keras model:
# standard layers only, a .keras, .tflite or .onnx file or a SavedModel, which
# load and predict without this project.
#
#   bash scripts/export.sh --output_dir=outputs --to=network.keras
#   bash scripts/export.sh --output_dir=final --to=network.keras --to=network
#   bash scripts/export.sh --help
#
# Paths in arguments are relative to the folder you are in. Needs no GPU.

set -euo pipefail

# tf2onnx is installed where it is asked for.
for argument in "$@"; do
  [[ $argument != *.onnx ]] || setup_extras="onnx"
done

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

exec "$PYTHON" -m enas.tools.export "$@"
