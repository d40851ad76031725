"""Whether MLflow's server answers, asked without MLflow, whose import costs seconds."""

import httpx

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.temporary import may_pass
from mer_tasks.text import without_user


def check_server(uri: str) -> None:
    """Ask once whether an MLflow server answers, for MLflow itself asks for minutes; a database is not asked.

    Raises:
        InputError: what answers is no MLflow server.
        UnavailableError: nothing answers there now, or only that it cannot.
    """
    if not uri.startswith("http"):
        return
    try:
        httpx.get(f"{uri.rstrip('/')}/health", timeout=5).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise (UnavailableError if may_pass(error) else InputError)(
            f"MLFLOW_TRACKING_URI: no MLflow server answers at {without_user(uri)}"
            f" ({type(error).__name__}); start it, or unset the variable to use SQLite under var/"
        ) from error
