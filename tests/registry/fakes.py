"""Versions whose process is a few lines, to see what the caller makes of every fault."""

import json
from pathlib import Path
from typing import Any

from mer_tasks.registry.process import ANSWERS, CODE, DESCRIPTION, PROTOCOL, SELF_TEST, hashes_of

BEGIN = """
import json, os, signal, subprocess, sys, time
folder, requests, answers, device = sys.argv[1:]
asked, out = os.fdopen(int(requests)), os.fdopen(int(answers), "w")
def send(answer):
    out.write(json.dumps(answer) + "\\n")
    out.flush()
"""
READY = 'send({"protocol": 1, "code": folder + "/code/mer_tasks"})\n'
MOODS = {"sad": 0.1, "happy": 0.2, "energetic": 0.3, "calm": 0.4}
ANSWER = f"""
for line in asked:
    send({{"probabilities": {MOODS}}})
"""


def fake_version(folder: Path, script: str, **more: Any) -> Path:
    """A version in `folder` whose process runs `script`, and whose self-test expects `MOODS`."""
    (folder / CODE / "mer_tasks").mkdir(parents=True)
    (folder / CODE / "mer_tasks" / "__init__.py").touch()
    (folder / CODE / "fake.py").write_text(script)
    (folder / SELF_TEST).mkdir(parents=True)
    (folder / SELF_TEST / "one.flac").write_bytes(b"a sound")
    (folder / ANSWERS).write_text(json.dumps({"one.flac": MOODS}))
    described = {"protocol": PROTOCOL, "command": ["-m", "fake"], "libraries": {}} | more
    (folder / DESCRIPTION).write_text(json.dumps(described | {"files": hashes_of(folder)}))
    return folder
