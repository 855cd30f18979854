"""The documents say what the code has."""

import dataclasses
import re

import helpers
from enas.cifar10.behaviours import Profile
from enas.cifar10.config import Config
from enas.cifar10.metrics import COLUMNS, EVENT_TAGS

ROOT = helpers.ROOT
DOCS = ROOT / "docs"


def test_every_row_of_the_port_has_a_test_that_exists():
    text = (DOCS / "PORT.md").read_text().split("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$", text, flags=re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 33))
    for number, cell in rows:
        named = re.findall(r"`([\w/]*test_\w+\.py)(?:::(\w+))?`", cell)
        assert named, f"row {number} names no test"
        for file, test in named:
            source = (ROOT / "tests" / file).read_text()
            assert f"def {test}" in source, f"row {number}: {file}::{test}"


def test_tests_named_in_the_documents_exist():
    for document in (ROOT / "README.md", *DOCS.glob("*.md")):
        text = document.read_text()
        for file, test in re.findall(r"`([\w/]*test_\w+\.py)::(\w+)`", text):
            source = (ROOT / "tests" / file).read_text()
            assert f"def {test}(" in source, (document.name, file, test)


def test_every_column_and_tag_is_explained():
    text = (DOCS / "METRICS.md").read_text()
    for column in COLUMNS:
        assert re.search(rf"\b{column}\b", text), column
    for tag in EVENT_TAGS.values():
        assert tag in text or tag.startswith("seconds/"), tag


def test_every_picture_and_text_is_explained():
    text = (DOCS / "METRICS.md").read_text()
    for file in ("event_pictures.py", "events.py"):
        source = (ROOT / "src/enas/run" / file).read_text()
        for tag in re.findall(r"\"((?:arcs|ops)/[a-z_]+)\"", source):
            assert f"`{tag}`" in text, tag


def test_files_named_in_the_documents_exist():
    for document in (ROOT / "README.md", *DOCS.glob("*.md")):
        text = document.read_text()
        for link in re.findall(r"\]\((?!http)([^)#]+)", text):
            assert (document.parent / link).exists(), (document.name, link)
        for script in re.findall(r"bash (scripts/\S+\.sh)", text):
            assert (ROOT / script).exists(), (document.name, script)


def test_flags_of_the_readme_exist_and_are_in_their_group():
    text = (ROOT / "README.md").read_text()
    groups = {}
    for field in dataclasses.fields(Config):
        group = groups.setdefault(field.metadata["group"].lower(), set())
        group.add(field.name)
    for group, names in groups.items():
        (row,) = re.findall(rf"^\| {group} \|(.*)\|$", text, flags=re.M)
        shown = set(re.findall(r"`--(?:no)?(\w+)", row))
        assert shown and shown <= names, group


def test_every_choice_is_in_the_ledger_with_its_values():
    text = (DOCS / "PORT.md").read_text()
    for field in dataclasses.fields(Profile):
        if field.metadata["row"]:
            legal = field.metadata["legal"]
            wanted = f"`{field.name}={'/'.join(legal)}`"
        else:
            wanted = f"--override={field.name}={field.metadata['legal'][1]}"
        assert wanted in text, wanted
    assert f"{len(dataclasses.fields(Profile))} choices" in (
        ROOT / "README.md"
    ).read_text().replace("\n", " ")
