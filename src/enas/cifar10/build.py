"""Puts a search together from a `Config`: space, data, models, directory."""

import contextlib
import dataclasses
import math
import os
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import keras

from enas.cifar10 import data_utils, user_ops
from enas.cifar10.arc import Arc
from enas.cifar10.branches import ChildOptions
from enas.cifar10.compiled import Compiled
from enas.cifar10.config import Config
from enas.cifar10.macro_child import MacroChild
from enas.cifar10.macro_controller import ControllerOptions, MacroController
from enas.cifar10.op_prior import OpPrior
from enas.cifar10.search import Search
from enas.cifar10.search_space import SearchSpace, make_search_space
from enas.devices import describe_devices, find_devices
from enas.errors import UserError
from enas.final.final_child import FinalChild
from enas.final.training import FinalTraining
from enas.paths import full_path
from enas.run import data_record, user_files
from enas.run.run_dir import RunDir
from enas.tf1 import export as tf1_export
from enas.tf1 import load as tf1_checkpoint
from enas.utils import DASHES, Log, quiet


@contextlib.contextmanager
def opened(config: Config, log: Log) -> Iterator[tuple[Search, RunDir]]:
    """Builds the search of a `Config` and opens its run directory.

    Everything that can be wrong is checked before the run directory is
    touched.

    Raises:
      UserError: a setting, the data or the run directory is not legal.
      WriteError: a file cannot be written.
    """
    run_dir = RunDir(config)
    try:
        search_space, fixed_arc = _choices(config)
        # One spelling of an arc, on one line: flags.txt is compared and read.
        text = str(fixed_arc) if fixed_arc else None
        config = dataclasses.replace(config, child_fixed_arc=text)
        run_dir.config = config
        run_dir.check()
        for line in describe_devices():
            log(line)
        tf1_export.check(run_dir)
        data = read_data(config, log)
        data_record.check(config, data, log)
        search = build_search(config, search_space, data, log, fixed_arc)
        tf1_checkpoint.start(search, log)
        run_dir.open(log, data)
        yield search, run_dir
    finally:
        run_dir.close()
        log.close()


@contextlib.contextmanager
def keras_settings(precision: str = "none") -> Iterator[None]:
    """Gives layers that are made or built within a type for products.

    Whatever a notebook or the user's keras.json has set, weights are float32
    and maps end with their channels.
    """
    mine = keras.config
    before = mine.dtype_policy(), mine.floatx(), mine.image_data_format()
    mine.set_floatx("float32")
    mine.set_image_data_format("channels_last")
    none = precision == "none"
    mine.set_dtype_policy("float32" if none else f"mixed_{precision}")
    try:
        yield
    finally:
        policy, floatx, order = before
        mine.set_floatx(floatx)
        mine.set_image_data_format(order)
        mine.set_dtype_policy(policy)


def load_search(
    config: Config,
    check_data: Callable[[data_utils.DataSet], None] = lambda data: None,
) -> Search:
    """Builds the search of a run on its data; its directory is only read.

    `check_data` is called with what was read, before anything is built.

    Raises:
      UserError: a setting or the data is not legal, or an op of the user's is
        not what it was.
    """
    search_space, fixed_arc = _choices(config)
    user_files.check(config)
    data = read_data(config, quiet)
    check_data(data)
    return build_search(config, search_space, data, quiet, fixed_arc)


def space_of(
    config: Config, copies: Mapping[str, str] | None = None
) -> SearchSpace:
    """Returns the search space of a `Config`; ops of its files are loaded.

    `copies` are as `user_ops.load` takes them.

    Raises:
      UserError: a name or a number of copies is not legal.
    """
    with keras_settings(config.mixed_precision):
        user_ops.load(config, copies or {})
    return make_search_space(
        config.poison, config.q, config.poison_sharing, config.candidate_ops
    )


def _choices(config: Config) -> tuple[SearchSpace, Arc | None]:
    """Returns (search space, fixed arc or None), and checks the device."""
    search_space = space_of(config, user_files.copies(config))
    if config.data_format == "NCHW" and "GPU" not in find_devices():
        raise UserError(
            "--data_format=NCHW needs a GPU: the CPU has no kernels for it. "
            "Received NCHW, found no GPU. Use --data_format=NHWC, which "
            "computes the same."
        )
    fixed_arc: Arc | None = None
    if config.child_fixed_arc is not None:
        layers, num_ops = config.child_num_layers, search_space.num_ops
        fixed_arc = Arc.parse(config.child_fixed_arc, layers, num_ops)
    elif config.child_from_scratch:
        raise UserError(
            "--child_from_scratch trains one architecture; received no "
            '--child_fixed_arc. Give it, for example --child_fixed_arc="$(cat '
            'outputs/best_arc.txt)".'
        )
    return search_space, fixed_arc


@keras_settings()
def build_search(
    config: Config,
    search_space: SearchSpace,
    data: data_utils.DataSet,
    log: Callable[[str], None],
    fixed_arc: Arc | None = None,
) -> Search:
    """Builds models, optimizers and search, and logs what they are.

    A `fixed_arc` is trained instead of searching.
    """
    log(DASHES)
    log("Build model child")
    for line in search_space.describe(config.tanh_constant):
        log(line)
    child = build_child(config, search_space, data.num_classes, fixed_arc)
    weights = sum(math.prod(v.shape) for v in child.trainable_variables)
    log(f"Model has {weights} params")
    log(DASHES)
    log("Building ConvController")
    defence = build_defence(config, search_space, child, data, fixed_arc)
    controller = build_controller(config, search_space, defence)
    for line in defence.describe():
        log(line)
    for variable in controller.trainable_variables:
        log(f"{variable.path} {tuple(variable.shape)}")
    log(DASHES)
    log(f"Profile {config.profile}, behaviours in force (docs/PORT.md):")
    for line in config.behaviour.describe():
        log(line)
    if config.behaviour.clip == "none":
        log(
            "--child_grad_bound has no effect: the original's clipping "
            "computes clipped gradients and drops them (row 16)."
        )
    if config.child_from_scratch:
        log("Training from scratch: test_acc is measured in evaluation mode.")
    if fixed_arc is not None:
        log("--child_fixed_arc is given: the controller is not trained.")
        if config.defence != "none":
            log("--defence has no effect: one architecture is trained.")
    compiled = Compiled(child, controller, config)
    kind = FinalTraining if config.child_from_scratch else Search
    return kind(config, search_space, data, compiled, log, fixed_arc, defence)


def build_defence(
    config: Config,
    search_space: SearchSpace,
    child: MacroChild | FinalChild,
    data: data_utils.DataSet,
    fixed_arc: Arc | None = None,
) -> OpPrior:
    """Returns what --defence names; it probes the ops of the fresh child."""
    if config.defence == "none" or fixed_arc is not None:
        return OpPrior()
    from enas.cifar10.batches import standardize
    from enas.defences.combined import Combined, functions_of

    images = standardize(data.train.images[:4], data.mean, data.std)
    twin = build_twin(config, search_space, child)
    functions = functions_of(twin, search_space, images)
    names, layers = config.defence.split(","), config.child_num_layers
    return Combined(names, functions, layers, search_space.num_ops)


def build_child(
    config: Config,
    search_space: SearchSpace,
    num_classes: int = 10,
    fixed_arc: Arc | None = None,
    options: ChildOptions | None = None,
) -> MacroChild | FinalChild:
    """Returns the built child; of one arc, if the config says so.

    `options` are those of the config by default.
    """
    options = options or config.child_options(num_classes)
    with keras_settings(config.mixed_precision), _drawn_from(config.seed):
        if config.child_from_scratch:
            child = FinalChild(cast(Arc, fixed_arc), search_space, options)
        else:
            child = MacroChild(search_space, config.child_num_layers, options)
        child.build()
    return child


def build_twin(
    config: Config, search_space: SearchSpace, child: Any = None
) -> MacroChild:
    """Returns a child of one layer to probe, in float32 and NHWC.

    Probes compare answers to 1e-5 and take maps as they are. It gets the
    weights of `child`, a `MacroChild`, or those of the seed.
    """
    plain = dataclasses.replace(
        config,
        child_num_layers=1,
        child_fixed_arc=None,
        mixed_precision="none",
        data_format="NHWC",
    )
    options = None
    if child is not None:
        # Its settings of ops: another run's may have been read since.
        options = dataclasses.replace(child.options, data_format="NHWC")
    built = build_child(plain, search_space, options=options)
    twin = cast(MacroChild, built)
    if child is not None:
        both = _probed(twin), _probed(child)
        for own, other in zip(*both, strict=True):
            own.assign(other)
    return twin


def _probed(child: MacroChild) -> list[keras.Variable]:
    """Returns the variables of the stem and of the first layer's ops."""
    parts = child.stem_conv, *child.enas_layers[0].branches
    return [variable for part in parts for variable in part.variables]


@contextlib.contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Seeds what Keras draws seeds from for initializers that have none.

    Only the ops of users have such.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


@keras_settings()
def build_controller(
    config: Config, search_space: SearchSpace, defence: OpPrior | None = None
) -> MacroController:
    """Returns the built controller of a `Config`."""
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
        ),
        (defence or OpPrior()).prior,
    )
    controller.build()
    return controller


def data_dir() -> str:
    """Returns the folder that images are looked for and kept in."""
    return full_path(os.environ.get("ENAS_DATA_DIR") or "data")


def read_data(config: Config, log: Callable[[str], None]) -> data_utils.DataSet:
    """Returns the images of a `Config`."""
    return data_utils.read_data(
        config.dataset,
        data_path=config.data_path,
        data_dir=data_dir(),
        num_train=config.num_train,
        num_valid=config.num_valid,
        num_test=config.num_test,
        all_train=config.child_from_scratch,
        image_size=config.image_size,
        resize=config.resize,
        profile=config.behaviour,
        log=log,
    )
