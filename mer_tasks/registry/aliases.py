"""Which version stands where: MLflow's aliases, and what a person has moved by hand."""

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mer_tasks.errors import InputError
from mer_tasks.registry.lookup import ABSENT

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"

IN_SERVICE = "mer.in_service"
"""The tag of the registered model with the version that `mer` last put in service; two while it does so."""

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

    def champion(self) -> str | None:
        """The version in service; one that a person took out of it by hand is marked first."""
        champion, ours = self.number_at(CHAMPION), self._put_by_mer()
        if ours and champion not in ours:
            self._mark_taken_out(ours[0], f"by hand, for version {champion}" if champion else "by hand")
            self._remember(champion)
        elif len(ours) > 1:  # a process was killed half-way; what it came to is what holds
            self._remember(champion)
        return champion

    def put_in_service(self, number: str, champion: str | None, by_person: bool) -> None:
        """Put a version in service; the champion keeps the alias `previous`.

        Were this process killed between two steps, the next call would not take it for a person's deed.
        """
        self._client.set_registered_model_tag(self._name, IN_SERVICE, f"{number} {champion or ''}".strip())
        if champion and self._exists(champion):
            self._client.set_registered_model_alias(self._name, PREVIOUS, champion)
            if by_person:  # else the same training, registered again next week, would undo the decision
                self._mark_taken_out(champion, f"for version {number}")
        self._client.set_registered_model_alias(self._name, CHAMPION, number)
        self._remember(number)
        if TAKEN_OUT in self.version(number).tags:
            self._client.delete_model_version_tag(self._name, number, TAKEN_OUT)

    def _put_by_mer(self) -> list[str]:
        try:
            return str(self._client.get_registered_model(self._name).tags.get(IN_SERVICE, "")).split()
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return []
            raise

    def _remember(self, number: str | None) -> None:
        if number:
            self._client.set_registered_model_tag(self._name, IN_SERVICE, number)
        else:
            self._client.delete_registered_model_tag(self._name, IN_SERVICE)

    def _mark_taken_out(self, number: str, why: str) -> None:
        if self._exists(number):
            self._client.set_model_version_tag(self._name, number, TAKEN_OUT, why)

    def _exists(self, number: str) -> bool:
        try:
            self.version(number)
        except InputError:
            return False
        return True
