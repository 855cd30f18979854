"""Finds the shell commands in the documents."""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).parent.parent
# What a command may need that the tests do not have. It stands in the comment
# above a command, or in the line of one that stands in running text.
NEEDS = re.compile(r"GPU|Docker|cluster|network|hours|minutes", re.IGNORECASE)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?:    .*\n)+")
_INLINE = re.compile(r"`((?:bash|python3?|pip|tensorboard|docker) [^`]+)`")


@dataclasses.dataclass(frozen=True)
class Command:
    """One shell command of a document.

    Attributes:
      document: str, its path from the root.
      text: str, without comments, on one line.
      needs: str, what stands there for why no test runs it; "" for nothing.
    """

    document: str
    text: str
    needs: str


def documents():
    """Returns the documents that commands are looked for in, sorted."""
    folders = (ROOT / "docs", ROOT / "data")
    found = [path for folder in folders for path in folder.glob("*.md")]
    return sorted([ROOT / "README.md", *found])


def fences(path):
    """Returns [(language, text)] of the fenced blocks of a document."""
    return _FENCE.findall(path.read_text())


def commands(path):
    """Returns the `Command`s of a document.

    A block is fenced as bash, or indented. What a program prints, and how its
    arguments go, is fenced as text; code as python.
    """
    name = str(path.relative_to(ROOT))
    prose = _FENCE.sub("", path.read_text())
    blocks = [text for language, text in fences(path) if language == "bash"]
    blocks += [
        re.sub("^    ", "", text, flags=re.MULTILINE)
        for text in _INDENTED.findall(prose)
    ]
    found = [Command(name, *each) for text in blocks for each in _split(text)]
    for line in prose.splitlines():
        for text in _INLINE.findall(line):
            needs = NEEDS.search(line.replace(text, ""))
            found.append(Command(name, text, needs[0] if needs else ""))
    return found


def _split(block):
    """Yields (text, needs) of the commands in a block."""
    needs = ""
    for line in re.sub(r" *\\\n *", " ", block).splitlines():
        if line.startswith("#"):
            found = NEEDS.search(line)
            needs = line.strip("# ") if found else ""
        elif line.strip():
            yield re.sub(r"\s+# .*", "", line).strip(), needs
