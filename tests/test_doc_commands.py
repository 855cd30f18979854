"""Every command of the documents is run here, or says what it needs."""

import functools
import importlib
import os
import pathlib
import re
import subprocess
import urllib.request

import matplotlib.image
import numpy as np
import pytest

from doc_commands import ROOT, commands, documents, fences
from enas.cifar10 import data_utils
from enas.cifar10.flags import make_flags, read_flags
from enas.cifar10.readers.shapes import CLASS_NAMES, make_shapes
from enas.parity.diff_enas import VERBS
from helpers import FEW_OPS

QUICK = (
    "bash scripts/cifar10_macro_search.sh "
    "--flagfile=scripts/presets/quick.flags"
)
FINAL = (
    "bash scripts/cifar10_macro_final.sh --dataset=shapes --num_epochs=3 "
    "--batch_size=32 --child_out_filters=8 "
    '--child_fixed_arc="$(cat outputs/clean/best_arc.txt)" '
    "--output_dir=outputs/final"
)
# What makes a search the smallest one.
TRAINING = (
    "--num_train=20",
    "--num_test=10",
    "--batch_size=10",
    "--child_out_filters=2",
    "--num_epochs=1",
    "--pictures_every=0",
    FEW_OPS,
)
SEARCH = (
    *TRAINING,
    "--num_valid=10",
    "--child_num_layers=1",
    "--controller_train_steps=1",
    "--controller_num_aggregate=2",
)
# Run one after the other, as a newcomer would; command -> flags behind it.
RUN = {
    f"{QUICK} --output_dir=outputs/clean": SEARCH,
    "source .venv/bin/activate": (),
    "tensorboard --logdir outputs": (),
    "python -m enas.cifar10.arc --draw outputs/clean/best_arc.txt": (),
    "bash scripts/evaluate.sh --output_dir=outputs/clean "
    '--arc="$(cat outputs/clean/best_arc.txt)" --split=test': (),
    FINAL: TRAINING,
    "bash scripts/evaluate.sh --output_dir=outputs/final "
    "--predict docs/examples/rings.png": (),
    "bash scripts/export.sh --output_dir=outputs/final "
    "--to=outputs/final/network.keras --to=outputs/final/network": (),
    f"{QUICK} --poison=my_ops.py:Blur,identity --q=100 "
    "--output_dir=outputs/blur": SEARCH,
    "bash scripts/diff_enas.sh logs tests/golden/enas/stdout.txt "
    "tests/golden/paper/stdout.txt": (),
}
# Run by another test, by the same program with its arguments.
ELSEWHERE = {
    "python -m enas.experiments.collect outputs/table1 outputs/clean "
    "outputs/retrain --machine=NAME": (
        "experiments/test_collect.py::test_finished_runs_are_added_once"
    ),
    "python -m enas.experiments.collect outputs/defences --machine=NAME": (
        "experiments/test_collect.py::test_finished_runs_are_added_once"
    ),
    "python -m enas.experiments.documents": (
        "experiments/test_documents.py::"
        "test_the_documents_hold_what_the_tables_give"
    ),
    "bash scripts/audit_space.sh --poison=identity --q=300 "
    "--picture=docs/pictures/layer.png": (
        "audit/test_audit.py::test_the_program_prints_writes_and_draws"
    ),
    "bash scripts/audit_space.sh --poison=identity --q=300": (
        "audit/test_audit.py::test_the_program_prints_writes_and_draws"
    ),
    "bash scripts/audit_space.sh --poison=identity,transposed_conv,dropout,"
    "relative_gaussian,stretched_conv --q=50": (
        "audit/test_audit.py::"
        "test_every_poisoning_is_found_for_the_right_reason"
    ),
    f"{QUICK} --candidate_ops=my_mix.py:Mix,conv_3x3,max_pool_3x3 "
    "--op_setting=mix_share=0.25 --poison=identity --q=6 "
    "--output_dir=outputs/mix": (
        "cifar10/test_own_ops.py::"
        "test_it_is_searched_drawn_counted_evaluated_exported_and_trained"
    ),
    f"{QUICK} --output_dir=outputs/poisoned --poison=identity --q=300": (
        "cifar10/test_main.py::test_the_log_says_what_was_built"
    ),
    "bash scripts/diff_enas.sh recordings": (
        "parity/test_parity_recordings.py::test_every_quantity_is_within_its_tolerance"
    ),
    "bash scripts/diff_enas.sh checkpoint tests/golden/enas/ckpt "
    "--dataset=shapes --num_images=500 "
    '--arc="0 3 1 1 0 0 2 1 0 0 4 0 0 1 0 5 1 0 0 0 1"': (
        "parity/test_parity_checkpoint.py::"
        "test_accuracies_are_those_of_the_arcs_asked_for"
    ),
    "bash scripts/diff_enas.sh logs clean1 poisoned --again=clean2 "
    "--again=clean3": (
        "parity/test_parity_logs.py::test_the_table_says_where_the_spread_is_from"
    ),
    "bash scripts/table1.sh --report": (
        "experiments/test_experiments_local.py::"
        "test_the_script_runs_a_real_search_and_reports_it"
    ),
    "tar -xzf cifar-10-python.tar.gz -C data": (
        "test_doc_commands.py::test_the_archive_is_unpacked_where_it_is_found"
    ),
}
# Code of the documents and the test that runs it.
PYTHON = {
    "docs/EXPORT.md": "test_doc_commands.py",
    "docs/POISON.md": "cifar10/test_user_ops.py",
    "docs/PYTHON.md": "tools/test_api.py",
}
# Drawn once for all commands.
DRAWN = functools.cache(make_shapes)
# Writes its arguments down in place of the program of this name.
RECORDER = """#!/bin/sh
printf '%s\\0' "${0##*/}" "$@" > "$RECORDED"
"""


def all_commands():
    return [command for path in documents() for command in commands(path)]


def plain(text):
    return " ".join(text.split())


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout in which every program only writes its arguments down."""
    for name in ("data", "docs", "scripts", "src", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    for folder in ("bin", ".venv/bin", "outputs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    for name in ("python", "tensorboard"):
        program = tmp_path / "bin" / name
        program.write_text(RECORDER)
        program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENAS_DATA_DIR", str(tmp_path / "nothing"))
    monkeypatch.setattr(data_utils, "make_shapes", DRAWN)
    return tmp_path


def recorded(text, folder):
    """Returns what a command starts: the program and its arguments."""
    target = folder / "recorded"
    target.unlink(missing_ok=True)
    environment = os.environ | {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "ENAS_PYTHON": f"{folder}/bin/python",
        "RECORDED": str(target),
    }
    command = ["bash", "-euc", text]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return target.read_text().split("\0")[:-1] if target.exists() else []


def run(words):
    """Runs what a command starts, in this process."""
    if not words:
        return
    if words[0] == "tensorboard":
        return start_tensorboard(words[1:])
    assert words[:2] == ["python", "-m"], words
    name, arguments = words[2], words[3:]
    # These take a command line without the program's name.
    bare = name.startswith(("enas.parity", "enas.experiments.table1"))
    main = importlib.import_module(name).main
    assert main(arguments if bare else [name, *arguments]) == 0, words


def start_tensorboard(arguments):
    from tensorboard import default, program

    server = program.TensorBoard(default.get_plugins())
    server.configure(["tensorboard", *arguments, "--port=0"])
    with urllib.request.urlopen(server.launch()) as answer:
        assert answer.status == 200


def test_every_command_is_run_or_says_what_it_needs():
    for command in all_commands():
        known = plain(command.text) in {**RUN, **ELSEWHERE}
        assert known or command.needs, (
            f"{command.document}: no test runs `{command.text}`. Add it to RUN "
            "or ELSEWHERE here, or say in the comment above it, `# hours` or "
            "`# needs a GPU`, why none does."
        )


def test_every_command_here_is_in_a_document():
    found = {plain(command.text) for command in all_commands()}
    assert set(RUN) | set(ELSEWHERE) <= found


def test_tests_that_run_commands_exist():
    for place in (*ELSEWHERE.values(), *PYTHON.values()):
        file, _, test = place.partition("::")
        source = (ROOT / "tests" / file).read_text()
        assert f"def {test}" in source, place


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_blocks_are_of_known_languages_and_code_is_run(path):
    name = str(path.relative_to(ROOT))
    languages = {language for language, _ in fences(path)}
    assert languages <= {"bash", "text", "python"}
    if "python" in languages:
        source = (ROOT / "tests" / PYTHON[name]).read_text()
        assert name in source, f"{PYTHON[name]} does not read {name}"


def test_an_unknown_command_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("doc_commands.ROOT", tmp_path)
    document = tmp_path / "NEW.md"
    document.write_text(
        "Words:\n\n    make it\n\n```bash\n# hours\none \\\n  two  # why\n\n"
        "# now\nthree\n```\n\n`bash x.sh` and, needs a GPU,\n`bash y.sh` too.\n"
    )
    assert [(c.text, c.needs) for c in commands(document)] == [
        ("one two", "hours"),
        ("three", ""),
        ("make it", ""),
        ("bash x.sh", "GPU"),
        ("bash y.sh", ""),
    ]


def test_arguments_of_commands_that_are_not_run_here_are_legal(
    checkout, monkeypatch
):
    for run in ("outputs", "outputs/identity"):
        (checkout / run).mkdir(exist_ok=True)
        (checkout / run / "best_arc.txt").write_text("0  3 0")
    for place, _ in VERBS.values():
        module = importlib.import_module(place)
        monkeypatch.setattr(module, "run", lambda arguments: 0)
    seen = 0
    for command in all_commands():
        script = command.text.startswith("bash scripts/")
        if script and plain(command.text) not in RUN:
            check_arguments(recorded(command.text, checkout))
            seen += 1
    assert seen > 15


def check_arguments(words):
    """Lets a program read its arguments, without what it does with them."""
    name, arguments = words[2], words[3:]
    if name == "enas.cifar10.main":
        read_flags(make_flags(), words[2:])
    elif name == "enas.experiments.table1":
        importlib.import_module(name)._read_arguments(arguments)
    elif name == "enas.parity.diff_enas":
        run(words)


def test_a_newcomer_can_run_every_command_in_order(checkout, capsys):
    text = (ROOT / "docs/POISON.md").read_text()
    code = re.search(r"```python\n(.*?)```", text, flags=re.DOTALL)[1]
    (checkout / "my_ops.py").write_text(code)
    for command, more in RUN.items():
        words = recorded(command, checkout)
        run([*words, *more] if words else [])
    printed = capsys.readouterr().out
    assert "docs/examples/rings.png: " in printed
    assert (checkout / "outputs/clean/best_arc.png").stat().st_size > 1000
    ((_, code),) = [
        fence
        for fence in fences(ROOT / "docs/EXPORT.md")
        if fence[0] == "python"
    ]
    names = {}
    exec(compile(code, "docs/EXPORT.md", "exec"), names)
    assert np.isfinite(np.asarray(names["logits"])).all()


def test_the_archive_is_unpacked_where_it_is_found(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").touch()
    (tmp_path / "data").mkdir()
    archive = ["tar", "-czf", "cifar-10-python.tar.gz", folder.name]
    subprocess.run(archive, cwd=tmp_path, check=True)
    (command,) = [c for c in all_commands() if c.text.startswith("tar ")]
    subprocess.run(["bash", "-c", command.text], cwd=tmp_path, check=True)
    from enas.cifar10.readers.cifar import holds
    from enas.cifar10.readers.published import CIFAR

    assert holds(CIFAR["cifar10"], tmp_path / "data")


def test_the_picture_of_the_document_is_one_of_the_test_set():
    path = pathlib.Path(ROOT, "docs/examples/rings.png")
    pixels = np.rint(255 * matplotlib.image.imread(path)[..., :3])
    images, labels = DRAWN()[2]
    (place,) = np.flatnonzero((images == pixels).all(axis=(1, 2, 3)))
    assert CLASS_NAMES[labels[place]] == "rings"
