"""The gate's report as files: for programs, for people, and the picture of the moods."""

import base64
import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

from mer_tasks import files
from mer_tasks.domain import MOODS
from mer_tasks.quality.findings import QualityReport, count

SONGS_LISTED = 50
BLUE, RED, GREY = "#3a6ea5", "#b3382c", "#666666"

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data quality: {{ "passed" if report.passed else "stopped" }}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
  h1, h2 { line-height: 1.2 }
  h2 { font-size: 1.1rem; margin: 0 }
  section { border-left: .3rem solid; margin: 1.5rem 0; padding: .1rem 1rem }
  .critical { border-color: #b3382c }
  .warning { border-color: #c98a00 }
  .passed { border-color: #2e7d4f }
  .severity { text-transform: uppercase; font-size: .75rem; letter-spacing: .06em; margin-left: .5rem }
  p, li { overflow-wrap: anywhere }
  img { max-width: 100% }
</style>
<h1>Data quality: {{ "passed" if report.passed else "stopped" }}</h1>
<p>{{ count(report.songs, "song") }}, {{ report.left_out }} left out, {{ count(report.rules, "rule") }}:
{{ count(report.critical|length, "critical finding") }}, {{ count(report.warnings|length, "warning") }}.
A critical finding stops the run, a warning does not.</p>
<img alt="Songs by mood: {{ moods }}" src="data:image/png;base64,{{ picture }}">
{% for finding in report.findings %}
<section class="{{ finding.severity }}">
<h2>{{ finding.rule }}<span class="severity">{{ finding.severity }}</span></h2>
<p>{{ finding.message }}</p>
{% if finding.songs %}<ul>
{% for song in finding.songs[:limit] %}<li>{{ song }}</li>
{% endfor %}</ul>{% endif %}
{% if finding.songs|length > limit %}<p>and {{ finding.songs|length - limit }} more</p>{% endif %}
</section>
{% else %}
<section class="passed"><p>Nothing to report.</p></section>
{% endfor %}
</html>
"""


def write_report(report: QualityReport, folder: Path) -> Path:
    """Write `report.json`, `report.html` and `balance.png`, and return the HTML's path.

    The same report gives the same bytes: no time, nothing unsorted.
    """
    picture = balance_png(report)
    with files.replacing(folder / "balance.png") as temporary:
        temporary.write_bytes(picture)
    content = {**asdict(report), "passed": report.passed}
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    files.write_text(folder / "report.json", text + "\n")
    files.write_text(folder / "report.html", _page(report, picture))
    return folder / "report.html"


def balance_png(report: QualityReport) -> bytes:
    """Songs by mood as bars, those under the minimum in red, with the minimum as a line."""
    from matplotlib.figure import Figure  # without pyplot: no display, no state

    sizes = [report.songs_by_mood.get(mood, 0) for mood in MOODS]
    least = report.min_songs_per_mood
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    bars = axes.bar(MOODS, sizes, color=[BLUE if size >= least else RED for size in sizes], width=0.6)
    axes.bar_label(bars, padding=2)
    axes.axhline(least, color=GREY, linestyle="--", linewidth=1)
    axes.text(1.01, least, f"at least {least}", transform=axes.get_yaxis_transform(), va="center", color=GREY)
    axes.set_ylabel("songs")
    axes.set_title("Songs by mood")
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _page(report: QualityReport, picture: bytes) -> str:
    """The HTML page, all in one file; what songs are called is escaped."""
    from jinja2 import Environment

    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(PAGE)
    moods = ", ".join(f"{mood} {report.songs_by_mood.get(mood, 0)}" for mood in MOODS)
    encoded = base64.b64encode(picture).decode("ascii")
    return (
        template.render(report=report, picture=encoded, moods=moods, limit=SONGS_LISTED, count=count) + "\n"
    )
