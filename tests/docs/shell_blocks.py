"""The commands in the code blocks of README.md and docs."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands_in(page: Path) -> Iterator[str]:
    """Each whole command of a page: of blocks marked `sh` every line, of `console` what follows `$ `."""
    text = page.read_text(encoding="utf-8")
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        lines = block.splitlines()
        if kind == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        yield from _whole(line for line in lines if line.strip())


def _whole(lines: Iterator[str]) -> Iterator[str]:
    """Lines joined until the shell can read them as a command."""
    command = ""
    for line in lines:
        command = f"{command}\n{line}" if command else line
        read = subprocess.run(
            ["bash", "-n"], input=command + "\n", text=True, capture_output=True, check=False
        )
        if read.returncode == 0 and not line.endswith("\\"):
            yield command
            command = ""
    assert not command, f"no whole command: {command}"
