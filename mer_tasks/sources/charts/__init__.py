"""Where charts come from: one module a source, found by the name that a chart's `source` gives.

A source's module has two names: `Settings`, the keys that a chart of this source has in
`params.yaml`, and `read`, which gives the chart as it is now. `docs/charts.md` shows how to add one.
"""

import hashlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from mer_tasks.domain import ChartEntry, Mood
from mer_tasks.errors import InputError
from mer_tasks.settings import Chart, Machine, Section, checked
from mer_tasks.validation import collection_name


@dataclass(frozen=True, slots=True)
class Reading:
    """A chart as it was read: its entries, or None where it is still the known version.

    `version` is what changes with the chart (an ETag, a hash), if the source gives anything such.
    """

    entries: Sequence[ChartEntry] | None
    version: str | None = None


class ChartSettings(Section):
    """The keys of every chart; a source adds its own."""

    source: str
    mood: Mood | None = None


class ChartSource(Protocol):
    """What a source's module offers."""

    Settings: type[ChartSettings]

    @staticmethod
    def read(chart: ChartSettings, machine: Machine, known: str | None) -> Reading:
        """The chart now; `known` is the version that was read before.

        Positions rise from 1; a song stands in a chart once; what is no song is left out.

        Raises:
            InputError: the chart cannot be read; the message has the reason and the remedy.
            UnavailableError: its server is away for now.
        """


def read_chart(name: str, chart: Chart, machine: Machine, known: str | None) -> Reading:
    """Read the chart that `params.yaml` calls `name`; with other settings than before, as if for the first time.

    Raises:
        InputError: the name is no collection's, there is no such source, its keys are wrong, or the chart
            cannot be read.
        UnavailableError: its server is away for now.
    """
    try:
        collection_name(name)
    except InputError as error:
        raise InputError(f"charts: {error}") from error
    source = _source(name, chart.source)
    settings = checked(source.Settings, chart.model_dump(), f"charts.{name}")
    mark = f"{hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]} "
    theirs = known.removeprefix(mark) if known and known.startswith(mark) else None
    reading = source.read(settings, machine, theirs)
    return Reading(reading.entries, mark + reading.version if reading.version else None)


def _source(name: str, source: str) -> ChartSource:
    known = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if source not in known:
        raise InputError(f"charts.{name}.source: no source {source!r}; known are {', '.join(known)}")
    return import_module(f"{__name__}.{source}")  # type: ignore[return-value]
