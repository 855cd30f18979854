#!/usr/bin/env bash
#
# Loads an exported .keras file with Keras 3.0, 3.3, 3.8, 3.12 and the newest,
# each in a fresh environment, and compares the logits of random pixels with
# those of this project's Keras. In Keras 3.0 it also checks what the project
# believes that its classes take, src/enas/tools/keras_3_0.json.
#
#   bash scripts/keras_versions.sh network.keras
#
# Needs the network, a Python from 3.10 to 3.12, and room for one environment
# at a time (1.5 GB); takes about 5 minutes. Ends with 0 if all agree.

set -euo pipefail

source "$(dirname -- "${BASH_SOURCE[0]}")/_setup.sh"

[[ $# == 1 && -f $1 ]] || setup_die 2 "give one .keras file that exists, such" \
  "as one of scripts/export.sh; received: $*"

program='
import inspect, json, os, sys
import keras
import numpy as np

network, answers, table = sys.argv[1:]
model = keras.models.load_model(network)
shape = (16, *model.inputs[0].shape[1:])
pixels = np.random.default_rng(0).integers(0, 256, shape).astype("float32")
logits = np.asarray(model.predict(pixels, verbose=0))
if not os.path.exists(answers):
    np.save(answers, logits)
away = np.abs(logits - np.load(answers)).max()
limit = 1e-5 * max(1, np.abs(logits).max())
print(f"Keras {keras.__version__}, {keras.backend.backend()}:",
      f"at most {away:.1e} away, the limit is {limit:.1e}")
agrees = away <= limit
if keras.__version__.startswith("3.0."):
    found = {}
    for kind in "layers", "initializers", "regularizers", "constraints":
        for name, cls in vars(getattr(keras, kind)).items():
            if not inspect.isclass(cls) or cls.__name__ != name:
                continue
            known = [*inspect.signature(cls.__init__).parameters]
            if issubclass(cls, keras.layers.Layer) and "kwargs" in known:
                known = ["name", "trainable", "dtype", *known]
            rest = ("self", "args", "kwargs")
            found[name] = {each for each in known if each not in rest}
    with open(table, encoding="utf-8") as stream:
        listed = {name: set(v) for name, v in json.load(stream).items()}
    print("  keras_3_0.json", "is true" if found == listed else "is WRONG")
    agrees &= found == listed
sys.exit(not agrees)
'
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
arguments=("$1" "$folder/logits.npy" "$repo_root/src/enas/tools/keras_3_0.json")
export TF_CPP_MIN_LOG_LEVEL=3

KERAS_BACKEND=tensorflow "$PYTHON" -W ignore -c "$program" "${arguments[@]}" \
  2>"$folder/errors" || {
  tail -n 3 "$folder/errors" >&2
  setup_die 1 "$1 could not be loaded and compared here (output above)."
}

failed=()
# load BACKEND PACKAGE...
load() {
  local backend=$1 python=$folder/venv/bin/python
  shift
  "$PYTHON" -I -m venv --clear "$folder/venv"
  setup_quietly "$python" -I -m pip install --no-input -q "$@" &&
    KERAS_BACKEND=$backend "$python" -I -W ignore -c "$program" \
      "${arguments[@]}" 2>"$folder/errors" || {
    failed+=("$1")
    tail -n 3 "$folder/errors" >&2 || true
  }
}

load tensorflow keras==3.0.5 tensorflow-cpu==2.16.2 setuptools
load tensorflow keras==3.3.3 tensorflow-cpu==2.16.2 setuptools
load tensorflow keras==3.8.0 tensorflow-cpu==2.18.1
load tensorflow keras==3.12.4 tensorflow-cpu==2.20.0
load jax keras jax

if ((${#failed[@]})); then
  setup_die 1 "failed: ${failed[*]}"
fi
