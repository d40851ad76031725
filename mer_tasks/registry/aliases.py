"""MLflow's aliases and tags of one registered model: where its versions stand."""

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mer_tasks.errors import InputError
from mer_tasks.registry.lookup import ABSENT

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"

IN_SERVICE = "mer.in_service"
"""The tag of the registered model with the last row of the ledger that its aliases follow."""

DECISION = "mer.decision"
"""The tag of a version with what was decided of it last, and why."""

TAKEN_OUT = "mer.taken_out"
"""The tag of a version that a person took out of service: it does not return by itself."""


class Aliases:
    """The aliases of one registered model."""

    def __init__(self, client: MlflowClient, name: str) -> None:
        """Read nothing yet."""
        self._client, self._name = client, name

    def number_at(self, alias: str) -> str | None:
        """The number of the version at an alias, whether or not there still is such a version."""
        try:
            number = self._client.get_registered_model(self._name).aliases.get(alias)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return None if number is None else str(number)

    def version(self, number: str) -> ModelVersion:
        """A version by its number.

        Raises:
            InputError: there is none, or none any more.
        """
        try:
            return self._client.get_model_version(self._name, number)
        except MlflowException as error:
            if error.error_code not in ABSENT:
                raise
            raise InputError(
                f"{self._name}: has no version {number}; see the registry, or run mer register"
            ) from error

    def exists(self, number: str | None) -> bool:
        """Whether there is a version of this number, and still is."""
        try:
            return number is not None and bool(self.version(number))
        except InputError:
            return False

    def move_champion(self, number: str, former: str | None) -> None:
        """Put the alias `champion` on a version that exists, and before that `previous` on the former one."""
        if former is not None and self.exists(former):
            self._client.set_registered_model_alias(self._name, PREVIOUS, former)
        if TAKEN_OUT in self.version(number).tags:
            self._client.delete_model_version_tag(self._name, number, TAKEN_OUT)
        self._client.set_registered_model_alias(self._name, CHAMPION, number)

    def mark_taken_out(self, number: str | None, why: str) -> None:
        """Write on a version that a person took it out of service, unless it was deleted."""
        if number is not None and self.exists(number):
            self._client.set_model_version_tag(self._name, number, TAKEN_OUT, why)

    def mark(self) -> str:
        """What was written last by `set_mark`; "" before."""
        try:
            return str(self._client.get_registered_model(self._name).tags.get(IN_SERVICE, ""))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return ""
            raise

    def set_mark(self, mark: str) -> None:
        """Write in MLflow which row of the ledger the aliases follow."""
        self._client.set_registered_model_tag(self._name, IN_SERVICE, mark)
