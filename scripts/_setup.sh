# shellcheck shell=bash disable=SC2034
#
# Finds or makes the Python environment. Every script sources this file.
#
# Before: set -euo pipefail
#         setup_extras="test"    extras of setup.py to install (none if unset)
# After:  PYTHON                 the Python to run the project with
#         repo_root              the folder that holds setup.py
#         and exported: PYTHONPATH, ENAS_DATA_DIR
#
# On a fresh machine it makes .venv in the repo and installs the project there,
# with the CUDA libraries where nvidia-smi answers. Later starts compare a
# stamp and go straight on. ENAS_PYTHON=/path/to/python skips all of this and
# uses that Python as it is.
#
# Messages go to stderr: stdout belongs to the program.

repo_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
setup_venv=$repo_root/.venv
setup_stamp=$setup_venv/enas-setup-done

setup_say() { printf 'enas: %s\n' "$*" >&2; }

# setup_die STATUS MESSAGE...
setup_die() {
  local status=$1
  shift
  setup_say "$@"
  exit "$status"
}

# Is $1 a Python the project runs on? An executable file is not proof: pyenv
# leaves a shim for every Python of which any version is installed. The upper
# end is the newest Python that TensorFlow 2.21 has wheels for.
setup_python_fits() {
  "$1" -I -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
    >/dev/null 2>&1
}

# Sets setup_base to a Python that can make a venv.
setup_find_python() {
  local name without_venv=""
  for name in python3.11 python3.12 python3.10 python3.13 python3; do
    if setup_python_fits "$name"; then
      if "$name" -I -c 'import ensurepip, venv' >/dev/null 2>&1; then
        setup_base=$name
        return
      fi
      without_venv=${without_venv:-$name}
    fi
  done
  if [[ -n $without_venv ]]; then
    setup_die 2 "$without_venv has no venv module. Install it (Debian and" \
      "Ubuntu: sudo apt install $without_venv-venv) and start again, or set" \
      "ENAS_PYTHON to a Python that has the packages of setup.py."
  fi
  setup_die 2 "no Python 3.10 to 3.13 found (tried python3.11, python3.12," \
    "python3.10, python3.13, python3). Install one and start again, or set" \
    "ENAS_PYTHON to its path."
}

# Everything an installed environment depends on. The folder is part of it
# because an editable install remembers it; pyvenv.cfg names the Python.
setup_inputs() {
  # A link to the checkout is no other folder.
  (CDPATH='' cd -- "$repo_root" && pwd -P)
  # A .venv made by other means need not have a pyvenv.cfg.
  cat "$repo_root/setup.py" "$repo_root/constraints.txt" \
    "$setup_venv/pyvenv.cfg" 2>/dev/null || true
}

# Sets setup_installed to the extras of a finished installation that fits
# setup.py as it is now; fails if there is none.
setup_read_stamp() {
  local stamp
  setup_installed=""
  [[ -x $setup_venv/bin/python && -f $setup_stamp ]] || return 1
  stamp=$(<"$setup_stamp")
  [[ ${stamp#*$'\n'} == "$(setup_inputs)" ]] || return 1
  setup_installed=${stamp%%$'\n'*}
}

# Sets setup_missing to the wanted extras that are not installed. nvidia-smi
# can take seconds, so it is asked only while the CUDA libraries are missing.
setup_compare_extras() {
  local extra
  setup_missing=""
  for extra in ${setup_extras:-}; do
    [[ " $setup_installed " == *" $extra "* ]] || setup_missing+=" $extra"
  done
  if [[ " $setup_installed " != *" and-cuda "* ]] && setup_has_gpu; then
    setup_missing+=" and-cuda"
  fi
}

# TensorFlow has CUDA wheels for Linux on x86-64 only.
setup_has_gpu() {
  command -v nvidia-smi >/dev/null || return 1
  [[ $(uname -sm) == "Linux x86_64" ]] || return 1
  nvidia-smi -L >/dev/null 2>&1 </dev/null
}

setup_is_ready() {
  setup_read_stamp || return 1
  setup_compare_extras
  [[ -z $setup_missing ]]
}

# Prints the output of a command only if the command fails.
setup_quietly() {
  local output
  output=$("$@" 2>&1 </dev/null) || {
    printf '%s\n' "$output" >&2
    return 1
  }
}

# Leaves a .venv that works and has pip. One that somebody made by other means
# is used and never emptied as long as its Python runs.
setup_make_venv() {
  local python=$setup_venv/bin/python
  if ! "$python" -I -c '' >/dev/null 2>&1; then
    setup_find_python
    setup_say "making $setup_venv with $("$setup_base" --version)"
    setup_quietly "$setup_base" -I -m venv --clear "$setup_venv" ||
      setup_die 1 "$setup_base could not make $setup_venv (output above)."
  fi
  setup_python_fits "$python" ||
    setup_die 2 "$setup_venv has a Python that is not 3.10 to 3.13. Remove" \
      "that folder and start again, or set ENAS_PYTHON."
  "$python" -I -m pip --version >/dev/null 2>&1 ||
    setup_quietly "$python" -I -m ensurepip ||
    setup_die 1 "$setup_venv has no pip and none could be put there (output" \
      "above). Remove that folder and start again."
}

# Runs with the lock held.
setup_install() {
  local inputs extras log=$setup_venv/enas-setup.log
  setup_is_ready && return
  trap 'setup_die 130 "set-up interrupted; the next start does it again."' INT
  setup_make_venv
  # Read before pip starts, so that a change meanwhile is seen next time.
  inputs=$(setup_inputs)
  setup_read_stamp || true
  setup_compare_extras
  extras=$setup_installed$setup_missing
  extras=${extras# }
  rm -f "$setup_stamp"
  # --no-compile: of 14,000 files even the tests import 3,200, and Python keeps
  # the bytecode of those at their first import.
  setup_say "installing packages into $setup_venv${extras:+ (with $extras)};" \
    "the first time this takes some minutes"
  if ! (
    cd "$repo_root" &&
      "$setup_venv/bin/python" -I -m pip install --no-input --no-user \
        --disable-pip-version-check --progress-bar off --no-compile \
        -c constraints.txt -e ".${extras:+[${extras// /,}]}"
  ) >"$log" 2>&1 </dev/null; then
    tail -n 12 "$log" >&2
    setup_die 1 "pip could not install the packages. The end of its output is" \
      "above, all of it in $log. Is the network reachable and the disk not" \
      "full? The next start tries again."
  fi
  printf '%s\n%s\n' "$extras" "$inputs" >"$setup_stamp.new"
  mv "$setup_stamp.new" "$setup_stamp"
  setup_say "set-up finished"
}

# Two scripts started at once: the second waits for the first. The subshell
# gives the lock back when it ends, however it ends.
setup_install_locked() {
  [[ -w $repo_root ]] || setup_die 2 "cannot write to $repo_root, so no .venv" \
    "can be made there. Set ENAS_PYTHON to a Python that has the packages of" \
    "setup.py."
  (
    if command -v flock >/dev/null && ! flock -n 9; then
      setup_say "another script is setting up; waiting for it"
      flock 9
    fi
    setup_install
  ) 9>"$repo_root/.venv.lock"
}

# Sets PYTHON to the absolute path of ENAS_PYTHON: a script may change folder.
# Symbolic links stay, because a venv's python is one.
setup_use_given_python() {
  local found
  if ! found=$(type -P -- "$ENAS_PYTHON"); then
    setup_die 2 "ENAS_PYTHON is '$ENAS_PYTHON', which is no program that can" \
      "be run. Set it to the path of a Python 3.10 to 3.13, or unset it to" \
      "let this script make its own."
  fi
  PYTHON=$(CDPATH='' cd -- "$(dirname -- "$found")" && pwd)/${found##*/}
}

# Where another Python has its library.
unset PYTHONHOME

if [[ -n ${ENAS_PYTHON:-} ]]; then
  setup_use_given_python
else
  setup_is_ready || setup_install_locked
  PYTHON=$setup_venv/bin/python
fi

# A script always runs the code next to it, whatever is installed.
export PYTHONPATH=$repo_root/src${PYTHONPATH:+:$PYTHONPATH}
# Nor a module of that name in the folder you are in (Python 3.11 and later).
export PYTHONSAFEPATH=1
export ENAS_DATA_DIR=${ENAS_DATA_DIR:-$repo_root/data}
