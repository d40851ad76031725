"""The buttons of the weekly retraining's last task."""

from typing import Any

from airflow.sdk import BaseOperatorLink


class PageLink(BaseOperatorLink):
    """A button of a task: an address in what the task returned, absent where there is none."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key

    @property
    def name(self) -> str:
        """What the button says."""
        return self._name

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the address."""
        return f"link_{self._key}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address; Airflow asks when the task has ended, and gives the task's instance."""
        returned = ti_key.xcom_pull(task_ids=operator.task_id)
        return (returned or {}).get(self._key) or ""


LINKS = (
    PageLink("Report", "report_page"),
    PageLink("Run in MLflow", "run_page"),
    PageLink("Version in MLflow", "version_page"),
)
