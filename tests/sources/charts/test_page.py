"""What `docs/charts.md` shows works as it is shown."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mer_tasks.errors import InputError
from mer_tasks.settings import Chart, Machine, checked
from mer_tasks.sources import charts
from mer_tasks.sources.charts import read_chart
from tests.sources.charts.servers import Request, Response, Web

Serve = Callable[[Callable[[Request], Response]], Web]

PAGE = (Path(__file__).parents[3] / "docs" / "charts.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def test_every_chart_of_the_example_has_settings_that_its_source_takes() -> None:
    shown = yaml.safe_load(block("yaml"))["charts"]
    assert {keys["source"] for keys in shown.values()} == {"file", "jamendo", "sample", "spotify"}
    for name, keys in shown.items():
        chart = checked(Chart, keys, name)
        checked(charts._source(name, chart.source).Settings, chart.model_dump(), name)


def test_the_table_names_every_source_and_its_keys() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    for name in ("file", "jamendo", "sample", "spotify"):
        settings = charts._source("any", name).Settings
        own = settings.model_fields.keys() - charts.ChartSettings.model_fields.keys()
        assert set(re.findall(r"`(\w+)`", rows[name])) - {"http"} == own


def test_the_example_of_a_new_source_needs_nothing_but_its_file(
    web: Serve, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "radio.py").write_text(block("python"), encoding="utf-8")
    monkeypatch.setattr(charts, "__path__", [*charts.__path__, str(tmp_path)])
    answers: list[Any] = [[{"song": "One", "by": "Ann"}, {"song": "Two"}], None]
    chart = Chart(source="radio", address=web(lambda request: Response(answers.pop(0))).url)
    try:
        [entry] = read_chart("mine", chart, machine, None).entries or ()
        assert (entry.position, entry.track.title, entry.track.artist) == (1, "One", "Ann")
        with pytest.raises(InputError, match=r"^radio: the station gives no list; check address$"):
            read_chart("mine", chart, machine, None)
    finally:
        del sys.modules["mer_tasks.sources.charts.radio"]
