"""The smallest searches that have everything a search has."""

__all__ = ["CONFIGURATIONS", "arguments_of"]

_SMALLEST = (
    "--dataset=shapes",
    "--num_train=40",
    "--num_valid=30",
    "--num_test=30",
    "--batch_size=10",
    "--child_num_layers=2",
    "--child_out_filters=2",
    "--controller_lstm_size=8",
    "--controller_train_steps=3",
    "--controller_num_aggregate=3",
    "--checkpoint_every_steps=2",
    "--readings=all",
    "--log_every=1",
)

CONFIGURATIONS = {
    "clean": (),
    "identity": ("--poison=identity", "--q=6"),
    "dropout_unique": ("--poison=dropout", "--q=3", "--poison_sharing=unique"),
    "copies": (
        "--poison=dropout,transposed_conv",
        "--q=3",
        "--poison_sharing=unique",
    ),
    "paper": (
        "--profile=paper",
        "--poison=dropout",
        "--q=3",
        "--poison_sharing=unique",
    ),
}


def arguments_of(configuration, num_epochs, directory, *more):
    """Returns the command line of a search, list of str.

    Args:
      configuration: str, a key of `CONFIGURATIONS`.
      num_epochs: int.
      directory: str, the run directory.
      *more: str, further flags.
    """
    return [
        "search",
        *_SMALLEST,
        *CONFIGURATIONS[configuration],
        f"--num_epochs={num_epochs}",
        f"--output_dir={directory}",
        *more,
    ]
