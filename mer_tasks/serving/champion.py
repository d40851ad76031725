"""The version in service, which changes under way without a request being lost."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.registry.lookup import find_version
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.version_card import VersionCard
from mer_tasks.settings import Machine

LOG = logging.getLogger("mer.serve")


class RunningVersion:
    """A version's processes, its card, and how many requests it answers now."""

    def __init__(self, machine: Machine, uri: str) -> None:
        self.registered = RegisteredModel(machine, uri, machine.n_workers)
        self.card = VersionCard.of(self.registered)
        self.n_users = 0
        self.is_retired = False


class Champion:
    """Whatever version an address leads to; `problem` is why a newer one could not be started, if so."""

    def __init__(self, machine: Machine, uri: str, poll_s: float) -> None:
        """Start the version, and look for another one every `poll_s` seconds until `close`.

        Raises:
            InputError: there is no such version, or it cannot answer here.
            UnavailableError: MLflow cannot be reached now, or a process of the version died or hung.
        """
        self._machine, self._uri, self._poll_s = machine, uri, poll_s
        self.problem = ""
        self._lock = threading.Lock()
        self._current = RunningVersion(machine, uri)
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._keep_watch, daemon=True)
        self._watch.start()

    @property
    def card(self) -> VersionCard:
        """The card of the version that answers the next request."""
        return self._current.card

    @contextmanager
    def in_use(self) -> Iterator[RunningVersion]:
        """The version that answers now; it is not ended before all who use it have gone."""
        with self._lock:
            version = self._current
            version.n_users += 1
        try:
            yield version
        finally:
            with self._lock:
                version.n_users -= 1
            self._end_if_unused(version)

    def refresh(self) -> None:
        """Start the version that the address leads to now, if that is another one, and put it in place.

        A version that cannot be started changes nothing but `problem`.
        """
        try:
            found = find_version(self._machine, self._uri)
            old = self._current
            if (found.name, found.number) != (old.card.name, old.card.number):
                new = RunningVersion(self._machine, f"models:/{found.name}/{found.number}")
                with self._lock:
                    self._current, old.is_retired = new, True
                self._end_if_unused(old)
                LOG.info("%s is in service, in place of version %s", new.card.line, old.card.number)
            self.problem = ""
        except (InputError, UnavailableError) as error:
            if self.problem != str(error):
                LOG.warning("%s; version %s stays in service", error, self.card.number)
            self.problem = str(error)

    def close(self) -> None:
        """End the watch and the version's processes."""
        self._ended.set()
        self._watch.join()
        self._current.registered.close()

    def _keep_watch(self) -> None:
        while not self._ended.wait(self._poll_s):
            try:
                self.refresh()
            except Exception:  # whatever it was, the next look may be better, and requests are answered
                LOG.exception("looking for a new champion failed")

    def _end_if_unused(self, version: RunningVersion) -> None:
        with self._lock:
            is_over = version.is_retired and version.n_users == 0
        if is_over:
            version.registered.close()
