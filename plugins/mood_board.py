"""The page Mood board of Airflow."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class MoodBoardPlugin(AirflowPlugin):
    """Adds the page, and the app that answers for it."""

    name = "mood_board"
    external_views = [  # noqa: RUF012 - as Airflow has it
        {"name": "Mood board", "href": "mood-board/", "url_route": "mood-board", "destination": "nav"}
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]  # read of an instance
        """The app, made only where Airflow's pages are served: every process of Airflow loads this module."""
        from mood_board_app import app

        return [{"app": app, "url_prefix": "/mood-board", "name": "Mood board"}]
