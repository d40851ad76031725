"""One way out for every alert: the log, the catalog, and the addresses that Apprise knows (docs/alerts.md)."""

from mer_tasks.alerts.failure import alert_on_failure
from mer_tasks.alerts.sending import send_alert, send_unsent
from mer_tasks.domain import Alert, Severity

__all__ = ["Alert", "Severity", "alert_on_failure", "send_alert", "send_unsent"]
