"""The gate between a snapshot and training: what must hold, what broke, and how that is told."""

import logging
import os

# Great Expectations reads both on import: no telemetry, and not 200 lines a run in an Airflow log.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
logging.getLogger("great_expectations").setLevel(logging.WARNING)
