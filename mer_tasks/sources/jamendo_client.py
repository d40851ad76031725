"""Jamendo's API v3.0: a page of its response, and a message of one line for each of its errors."""

from typing import Any

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.sources import http
from mer_tasks.sources.listing import clean

ERRORS = {
    5: "does not know the client id; set MER_JAMENDO_CLIENT_ID to the one that devportal.jamendo.com shows",
    11: "has suspended this client id; ask Jamendo, or get another at devportal.jamendo.com",
}
"""What Jamendo means by its response codes."""

TOO_MANY = 6
"""Its code for a client id that has had its share of requests."""

A_DAY_S = 86_400.0


def songs(api_url: str, params: dict[str, str]) -> list[Any]:
    """The songs that fit `params`, among them the `client_id`.

    Raises:
        InputError: Jamendo refuses, or gives something else than its API's response.
        UnavailableError: it does not respond now, or has had too many requests.
    """
    page = http.get_json(f"{api_url.rstrip('/')}/tracks/", params)
    try:
        code, message = int(page["headers"]["code"]), clean(str(page["headers"]["error_message"]))
        results = list(page["results"])
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"jamendo: {api_url} gives no response of its API v3.0; check api_url") from error
    if code == TOO_MANY:
        message = "jamendo: Jamendo has had too many requests from this client id; read fewer charts, or try again tomorrow"
        raise UnavailableError(message, A_DAY_S)
    if code:
        shown = message.replace(params["client_id"], "***")
        raise InputError(
            f"jamendo: Jamendo {ERRORS.get(code, f'responds with {shown!r} (code {code}); check the chart')}"
        )
    return results
