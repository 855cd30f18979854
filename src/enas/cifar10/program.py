"""Puts a search together from a `Config` and runs it to its end."""

import contextlib
import dataclasses
import math
import os

import keras

from enas.cifar10 import data_utils, user_ops
from enas.cifar10.arc import Arc
from enas.cifar10.compiled import Compiled
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.readers.folder import full_name
from enas.cifar10.search import Search
from enas.cifar10.search_space import make_search_space
from enas.devices import describe_devices, find_devices
from enas.errors import NonFiniteError, UserError
from enas.final.final_child import FinalChild
from enas.final.training import FinalTraining
from enas.paths import full_path
from enas.run import data_record, user_files
from enas.run.autosave import Saver
from enas.run.run_dir import RunDir
from enas.tf1 import export as tf1_export
from enas.tf1 import load as tf1_checkpoint
from enas.utils import DASHES

__all__ = [
    "build_child",
    "build_controller",
    "build_search",
    "data_dir",
    "load_search",
    "read_data",
    "run",
]


def run(config, log, signals):
    """Runs or continues the search of a `Config`.

    Everything that can be wrong is checked before the run directory is
    touched.

    Args:
      config: `Config`.
      log: `utils.Log`.
      signals: `StopSignals`, entered.

    Returns:
      int, exit code: 0, or 1 if training met a number that is not finite.

    Raises:
      Stopped: a signal came; what was trained is saved.
      UserError: a setting, the data or the run directory is not legal.
      WriteError: a file cannot be written.
    """
    run_dir = RunDir(config)
    try:
        return _run(config, run_dir, log, signals)
    finally:
        run_dir.close()
        log.close()


def _run(config, run_dir, log, signals):
    search_space, fixed_arc = _choices(config)
    # One spelling of an arc, on one line, and paths that hold in every folder:
    # flags.txt is compared and read.
    config = dataclasses.replace(
        config,
        child_fixed_arc=fixed_arc and str(fixed_arc),
        dataset=full_name(config.dataset),
    )
    run_dir.config = config
    run_dir.check()
    for line in describe_devices():
        log(line)
    tf1_export.check(run_dir)
    data = read_data(config, log)
    data_record.check(config, data, log)
    search = build_search(config, search_space, data, log, fixed_arc)
    tf1_checkpoint.start(search, run_dir, log)
    run_dir.open(log)
    data_record.keep(config, data)
    code = _train(search, run_dir, log, signals)
    if code == 0:
        tf1_export.export(search, run_dir, log)
    return code


def load_search(config, log):
    """Builds the search of a run on its data; its directory is only read.

    Args:
      config: `Config`, its output_dir the run.
      log: function of a line, which says what data was read.

    Returns:
      A `Search` at its beginning.

    Raises:
      UserError: a setting is not legal, or the data or an op of the user's is
        not what it was.
    """
    search_space, fixed_arc = _choices(config)
    user_files.check(config)
    data = read_data(config, _quiet)
    data_record.check(config, data, log)
    return build_search(config, search_space, data, _quiet, fixed_arc)


def _choices(config):
    """Returns (search space, fixed arc or None), and checks the device."""
    user_ops.load(config)
    search_space = make_search_space(
        config.poison,
        config.q,
        config.poison_sharing,
        config.candidate_ops,
    )
    _check_device(config)
    fixed_arc = _fixed_arc(config, search_space)
    if config.child_from_scratch and fixed_arc is None:
        raise UserError(
            "--child_from_scratch trains one architecture; received no "
            '--child_fixed_arc. Give it, for example --child_fixed_arc="$(cat '
            'outputs/best_arc.txt)".'
        )
    return search_space, fixed_arc


def build_search(config, search_space, data, log, fixed_arc=None):
    """Builds models, optimizers and search, and logs what they are.

    Args:
      config: `Config`.
      search_space: `SearchSpace`.
      data: `data_utils.DataSet`.
      log: function of a line.
      fixed_arc: `Arc` or None.

    Returns:
      A `Search` at its beginning.
    """
    log(DASHES)
    log("Build model child")
    for line in search_space.describe(config.tanh_constant):
        log(line)
    classes = data.num_classes
    child = build_child(config, search_space, classes, fixed_arc)
    weights = sum(math.prod(v.shape) for v in child.trainable_variables)
    log(f"Model has {weights} params")
    log(DASHES)
    log("Building ConvController")
    controller = build_controller(config, search_space)
    for variable in controller.trainable_variables:
        log(f"{variable.path} {tuple(variable.shape)}")
    log(DASHES)
    log(f"Profile {config.profile}, behaviours in force (docs/PORT.md):")
    for line in config.behaviour.describe():
        log(line)
    if config.behaviour.clip == "none":
        log(
            "--child_grad_bound is without effect: the original's clipping "
            "computes clipped gradients and drops them (row 16)."
        )
    if fixed_arc is not None:
        log("--child_fixed_arc is given: the controller is not trained.")
    compiled = Compiled(child, controller, config)
    kind = FinalTraining if config.child_from_scratch else Search
    return kind(config, search_space, data, compiled, log, fixed_arc)


def build_child(config, search_space, num_classes=10, fixed_arc=None):
    """Returns the built child of a `Config`.

    Args:
      config: `Config`.
      search_space: `SearchSpace`.
      num_classes: int, those of the data.
      fixed_arc: `Arc` to train from scratch, if the config says so.

    Returns:
      A `MacroChild`, or a `FinalChild`.
    """
    options = config.child_options(num_classes)
    with _precision(config.mixed_precision):
        if config.child_from_scratch:
            child = FinalChild(fixed_arc, search_space, options)
        else:
            child = MacroChild(search_space, config.child_num_layers, options)
        child.build()
    return child


@contextlib.contextmanager
def _precision(name):
    """Gives layers that are made within this type for their products."""
    before = keras.config.dtype_policy()
    if name != "none":
        keras.config.set_dtype_policy(f"mixed_{name}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_controller(config, search_space):
    """Returns the built `MacroController` of a `Config`."""
    controller = MacroController(
        ControllerOptions(
            num_layers=config.child_num_layers,
            num_ops=search_space.num_ops,
            lstm_size=config.controller_lstm_size,
            lstm_num_layers=config.controller_lstm_num_layers,
            tanh_constant=config.tanh_constant,
            temperature=config.controller_temperature,
            skip_target=config.controller_skip_target,
            skip_weight=config.controller_skip_weight,
            entropy_weight=config.controller_entropy_weight,
            seed=config.seed,
            profile=config.behaviour,
        )
    )
    controller.build()
    return controller


def _train(search, run_dir, log, signals):
    config = search.config
    if run_dir.resume(search):
        log(f"Continuing after epoch {search.whole_epochs}")
        if search.part.tensors():
            log(
                f"and after child step {search.global_step}, controller step "
                f"{search.train_step} of the next"
            )
    search.after_step = Saver(search, run_dir, signals)
    if search.whole_epochs >= config.num_epochs:
        log(
            f"{run_dir.path} holds all {config.num_epochs} epochs; see "
            "result.json there. A larger --num_epochs goes on."
        )
    log("Starting session")
    try:
        while search.whole_epochs < config.num_epochs:
            row, reports = search.run_epoch()
            run_dir.record(search, row, reports)
    except NonFiniteError as error:
        log(f"error: {error}")
        log(f"The state is in {run_dir.save_beside(search)}, to look at.")
        return 1
    log(f"Results are in {run_dir.path}: result.json, metrics.csv, stdout")
    return 0


def _fixed_arc(config, search_space):
    text = config.child_fixed_arc
    if text is None or text.strip().lower() in ("", "none"):
        return None
    return Arc.parse(text, config.child_num_layers, search_space.num_ops)


def _check_device(config):
    if config.data_format == "NCHW" and "GPU" not in find_devices():
        raise UserError(
            "--data_format=NCHW needs a GPU: the CPU has no kernels for it. "
            "Received NCHW, found no GPU. Use --data_format=NHWC, which "
            "computes the same."
        )


def data_dir():
    """Returns the folder that images are looked for and kept in, str."""
    return full_path(os.environ.get("ENAS_DATA_DIR", "data"))


def read_data(config, log):
    """Returns the `data_utils.DataSet` of a `Config`."""
    return data_utils.read_data(
        config.dataset,
        data_path=config.data_path,
        data_dir=data_dir(),
        num_train=config.num_train,
        num_valid=config.num_valid,
        num_test=config.num_test,
        all_train=config.child_from_scratch,
        profile=config.behaviour,
        log=log,
    )


def _quiet(line=""):
    """Is a log that nobody reads: a tool prints what it found."""
