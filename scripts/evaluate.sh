#!/usr/bin/env bash
#
# Measures architectures under the weights of a run, class by class, or names
# pictures. Writes nothing.
#
#   bash scripts/evaluate.sh --output_dir=outputs
#   bash scripts/evaluate.sh --output_dir=outputs --split=valid --mode=train
#   bash scripts/evaluate.sh --output_dir=outputs --arc="$(cat outputs/best_arc.txt)"
#   bash scripts/evaluate.sh --output_dir=outputs --predict cat.png dog.png
#   bash scripts/evaluate.sh --help
#
# Paths in arguments are relative to the folder you are in. Needs no GPU.

set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

exec "$PYTHON" -m enas.tools.evaluate "$@"
