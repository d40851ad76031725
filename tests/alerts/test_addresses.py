"""Where messages go, as the variables say."""

import pytest
from pydantic import SecretStr

from mer_tasks.alerts.addresses import addresses, has_addresses, mail_server
from mer_tasks.errors import InputError
from mer_tasks.settings import Machine


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "user", "password"),
    [
        ("smtp://mail.example.org", "mail.example.org", 25, False, None, ""),
        ("smtp://mail.example.org:2525", "mail.example.org", 2525, False, None, ""),
        ("smtps://a%40b:p%2Fw@mail.example.org", "mail.example.org", 465, True, "a@b", "p/w"),
        ("smtp://[::1]:25", "::1", 25, False, None, ""),
    ],
)
def test_mail_server_url(url: str, host: str, port: int, tls: bool, user: str | None, password: str) -> None:
    server = mail_server(url)
    assert (server.host, server.port, server.tls, server.user, server.password) == (
        host, port, tls, user, password,
    )  # fmt: skip


@pytest.mark.parametrize(
    "url", ["mail.example.org", "http://h", "smtp://", "smtp://u:s3cret@h:x", "smtp://[h"]
)
def test_wrong_mail_server_url_is_one_line_without_password(url: str) -> None:
    with pytest.raises(InputError, match=r"^MER_SMTP_URL: .*write smtp://") as caught:
        mail_server(url)
    assert "s3cret" not in str(caught.value)


def test_each_address_has_a_name_without_secrets_and_an_id_of_its_own() -> None:
    urls = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops, mailtos://u:s3cret@example.org?to=a@example.org"
    machine = Machine(alert_urls=SecretStr(urls), smtp_url="smtp://h", alert_to="b@example.org")
    found = addresses(machine)
    assert [address.service is not None for address in found] == [True, True, True]
    assert [address.name for address in found] == [
        "MER_ALERT_URLS, address 1 (Slack)",
        "MER_ALERT_URLS, address 2 (E-Mail)",
        "b@example.org through h:25",
    ]
    assert len({address.id for address in found}) == 3
    assert [address.id for address in addresses(machine)] == [address.id for address in found]


def test_no_variable_is_no_address() -> None:
    for machine in (Machine(), Machine(alert_urls=SecretStr(" ")), Machine(smtp_url="smtp://h")):
        assert addresses(machine) == []
        assert not has_addresses(machine)
