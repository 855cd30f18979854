"""Every setting of a search, once: flag, default, range and help.

The fields of `Config` are the flags; `flags.py` turns them into absl flags.
Defaults are the paper's (its appendix A) where it gives one, otherwise those
of ENAS's scripts/cifar10_macro_search.sh. No TensorFlow here.
"""

import dataclasses

from enas.cifar10.arc import layers_of
from enas.cifar10.behaviours import PROFILES, Profile, make_profile
from enas.cifar10.branches import ChildOptions
from enas.cifar10.config import op_settings
from enas.cifar10.config.combinations import check_combinations
from enas.cifar10.config.settings import Settings
from enas.cifar10.config.values import checked
from enas.cifar10.search_space import CANDIDATE_OPS


# The fields of the last base come first.
@dataclasses.dataclass(frozen=True)
class Config(op_settings.OpSettings, Settings):
    """One search, frozen; the help text of its flag documents every field.

    Raises:
      UserError: a value is outside its range, or two values contradict.

    Source: appendix A of the paper; ENAS main.py. Same names and defaults,
    except that ENAS has no flag for the seed, the LSTM and the poisonings.
    """

    def __post_init__(self) -> None:
        """Checks every value where it enters, and spells it one way."""
        for field in dataclasses.fields(self):
            value = checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        _fill_in(self)
        check_combinations(self)

    @property
    def behaviour(self) -> Profile:
        """The choices in force."""
        return make_profile(self.override, PROFILES[self.profile])

    @property
    def restarts(self) -> bool:
        """Whether the child's learning rate is a cosine with restarts."""
        return self.child_lr_cosine and self.behaviour.lr_schedule == "restarts"

    @property
    def filters(self) -> int:
        """Channels of every layer."""
        return self.child_out_filters * self.child_out_filters_scale

    @property
    def tanh_constant(self) -> float | None:
        """Bound of the logits, or None without bound."""
        return self.controller_tanh_constant or None

    def child_options(self, num_classes: int = 10) -> ChildOptions:
        """Returns what every part of the child needs to know.

        Raises:
          UserError: --op_setting names none that an op declares, or its value
            is not legal.
        """
        return ChildOptions(
            filters=self.filters,
            data_format=self.data_format,
            seed=self.seed,
            keep_prob=self.child_keep_prob,
            op_settings=op_settings.values_of(self),
            num_classes=num_classes,
            image_size=self.image_size,
            profile=self.behaviour,
        )


def _fill_in(config: Config) -> None:
    """Sets what was not given: layers, no bound, the ops of 4 branches."""
    if config.child_num_layers is None:
        layers = 12
        if config.child_from_scratch and config.child_fixed_arc:
            layers = layers_of(config.child_fixed_arc)
        object.__setattr__(config, "child_num_layers", layers)
    if config.controller_tanh_constant is None:
        # Both are no bound; of the two, a flag can say 0.
        object.__setattr__(config, "controller_tanh_constant", 0.0)
    first = CANDIDATE_OPS["enas6"][: config.child_num_branches]
    fixed = config.child_from_scratch and config.poison == "none"
    if fixed and config.candidate_ops == "enas6" and len(first) >= 4:
        # As in the original, whose published final network has 4 branches.
        ops = "enas6" if len(first) == 6 else ",".join(first)
        object.__setattr__(config, "candidate_ops", ops)
