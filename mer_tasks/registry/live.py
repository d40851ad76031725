"""The curves of a network in MLflow while it trains: a thread logs them, so that the training never waits for MLflow.

MLflow is imported by the thread alone: a model without epochs has no use for it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.networks.curve import Curve
from mer_tasks.registry.reachable import check_server
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""From one look for new epochs to the next."""

RETRY_S = 10.0
"""From one try to the next where MLflow is away."""

LAST_WAIT_S = 60.0
"""How long a training that has ended waits at most until all is logged."""


class LiveCurves:
    """Takes a model's curves as they grow, and logs them to a run of MLflow in a thread of its own."""

    def __init__(self, workspace: Workspace, params: Params, machine: Machine, model: str) -> None:
        self._workspace, self._params, self._machine, self._model = workspace, params, machine, model
        self._training = ""
        self._curves: dict[int, Curve] = {}
        self._ended = Event()
        self._is_trained = False
        self._has_complained = False
        self._thread = Thread(target=self._work, name="live curves", daemon=True)

    def __call__(self, training: str, fold: int, curve: Curve) -> None:
        """Take a fold's curve after an epoch and return at once; the first starts the thread."""
        self._curves[fold] = curve
        if not self._training:
            self._training = f"{self._model} {training}"  # the first fold's identity stands for all
            self._thread.start()

    def end(self, is_trained: bool) -> None:
        """Let the run be marked as finished or failed, and wait until it is, but not for long."""
        if not self._training:
            return
        self._is_trained = is_trained
        self._ended.set()
        self._thread.join(LAST_WAIT_S)
        if self._thread.is_alive():
            self._complain("MLflow takes too long")

    def _work(self) -> None:
        while True:
            try:
                check_server(self._machine.mlflow_uri)
                self._log_until_the_end()
                return
            except (InputError, UnavailableError, OSError) as error:
                self._complain(str(error))
            if self._ended.wait(RETRY_S):
                return

    def _log_until_the_end(self) -> None:
        from mer_tasks.registry.connection import connected_aside

        with connected_aside(self._machine) as client:
            self._log_to(client)

    def _log_to(self, client: "MlflowClient") -> None:
        """Log epochs as they come, until the training has ended; then that it has."""
        from mer_tasks.registry import runs
        from mer_tasks.registry.connection import experiment_id

        experiment = experiment_id(client, self._params.registration.experiment, self._machine)
        run_id = runs.begin_curves(client, experiment, self._model, self._training)
        logged: dict[int, Curve] = {}
        while True:
            has_ended = (
                self._ended.is_set()
            )  # asked before the curves are: those that were told last are logged
            for fold, curve in list(self._curves.items()):
                if curve is not logged.get(fold):
                    runs.log_curve(client, run_id, fold, curve)
                    logged[fold] = curve
            if has_ended:
                break
            self._ended.wait(EVERY_S)
        if self._is_trained:
            runs.end_curves(client, experiment, run_id, self._workspace, self._model)
        else:
            client.set_terminated(run_id, "FAILED")

    def _complain(self, reason: str) -> None:
        if not self._has_complained:
            log.warning("%s; mer register will log the curves of %s", reason, self._model)
        self._has_complained = True


@contextmanager
def live_curves(workspace: Workspace, params: Params, machine: Machine, model: str) -> Iterator[LiveCurves]:
    """What `train_model` is to be given as `watch`, so that MLflow shows a network's curves while it trains.

    Where MLflow is away, that is one line of the log.
    """
    curves, is_trained = LiveCurves(workspace, params, machine, model), False
    try:
        yield curves
        is_trained = True
    finally:
        curves.end(is_trained)
