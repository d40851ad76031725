"""The gate between a snapshot and training: the rules, the findings and their report."""

import logging
import os

# Great Expectations reads both on import: no telemetry, and not 200 lines a run in an Airflow log.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
logging.getLogger("great_expectations").setLevel(logging.WARNING)
