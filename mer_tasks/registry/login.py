"""User and password for MLflow's server, from where its own clients take them."""

import configparser
import os
from pathlib import Path

from mer_tasks.errors import InputError

CREDENTIALS = "~/.mlflow/credentials"
"""Where MLflow's clients look for what the environment does not say."""

LOGIN_REMEDY = f"check MLFLOW_TRACKING_USERNAME and its like, or {CREDENTIALS}"


def login() -> tuple[str, str] | None:
    """User and password; None where there are none.

    Raises:
        InputError: the file cannot be read, which MLflow's own clients answer with a traceback.
    """
    names = ("mlflow_tracking_username", "mlflow_tracking_password")
    file = os.path.expanduser(CREDENTIALS)  # noqa: PTH111 - Path's raises where there is no home
    kept = configparser.ConfigParser()
    try:
        if os.path.exists(file):  # noqa: PTH110 - Path's raises where the home is another user's
            kept.read_string(Path(file).read_text(encoding="utf-8"))
        user, password = (os.environ.get(n.upper()) or kept.get("mlflow", n, fallback=None) for n in names)
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        reason = type(error).__name__  # its text may have the password
        raise InputError(
            f"{CREDENTIALS}: cannot be read ({reason}); write [mlflow] and below it mlflow_tracking_username = …"
            " and mlflow_tracking_password = …, in which %% stands for %"
        ) from None
    return (user, password) if user and password else None
