"""The promotion ledger: which version of a model went into service when, by whom, why, and by which scores.

Rows are only added. Versions are numbers as text, as MLflow has them; what became of them there is no matter here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, func, insert, select

from mer_tasks.catalog.database import Catalog, patiently
from mer_tasks.catalog.schema import promotions

Kind = Literal["rule", "person", "rollback", "mlflow"]
"""By the rule, by a person, back by a person; or moved in MLflow itself, which is noticed later."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A change of the version in service; None is no version.

    `scores` and `n_songs` are those of the comparison that was looked at, None where there was none.
    """

    model: str
    kind: Kind
    from_version: str | None
    to_version: str | None
    decided_by: str
    reason: str
    scores: Mapping[str, float] | None
    n_songs: int | None
    decided_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"decided_at": self.decided_at.isoformat()}


@patiently
def add_promotion(catalog: Catalog, promotion: Promotion) -> None:
    """Add a row."""
    with catalog.transaction() as connection:
        connection.execute(insert(promotions), asdict(promotion))


@patiently
def list_promotions(catalog: Catalog, model: str) -> list[Promotion]:
    """All rows of a model, oldest first."""
    rows = select(promotions).where(promotions.c.model == model).order_by(promotions.c.id)
    with catalog.reading() as connection:
        return [_promotion(row) for row in connection.execute(rows)]


@patiently
def in_service_on(catalog: Catalog, model: str, day: date) -> list[Promotion]:
    """The rows that put those versions in service that were so at any time of a day (UTC), oldest first."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    before = select(func.max(promotions.c.id)).where(
        promotions.c.model == model, promotions.c.decided_at <= begin
    )
    rows = (
        select(promotions)
        .where(promotions.c.model == model, promotions.c.decided_at < begin + timedelta(days=1))
        .where(promotions.c.id >= func.coalesce(before.scalar_subquery(), 0))
        .where(promotions.c.to_version.is_not(None))
        .order_by(promotions.c.id)
    )
    with catalog.reading() as connection:
        return [_promotion(row) for row in connection.execute(rows)]


def _promotion(row: Row[Any]) -> Promotion:
    values = row._asdict()
    del values["id"]
    return Promotion(**values)
