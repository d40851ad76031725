"""The promotion ledger, in both engines."""

from datetime import UTC, date, datetime, timedelta

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.ledger import Promotion, add_promotion, in_service_on, list_promotions

MONDAY = datetime(2026, 11, 16, 4, 30, tzinfo=UTC)


def change(old: str | None, new: str | None, at: datetime, model: str = "mood") -> Promotion:
    return Promotion(model, "rule", old, new, "ann", "is better", {"accuracy": 0.7}, 60, at)


def test_what_was_added_is_read_back_in_order(catalog: Catalog) -> None:
    rows = [change(None, "1", MONDAY), change("1", "2", MONDAY + timedelta(days=7))]
    for row in [rows[0], change(None, "9", MONDAY, model="other"), rows[1]]:
        add_promotion(catalog, row)
    assert list_promotions(catalog, "mood") == rows
    assert list_promotions(catalog, "none") == []


def test_a_promotion_changes_no_data_set(catalog: Catalog) -> None:
    before = catalog.revision()
    add_promotion(catalog, change(None, "1", MONDAY))
    assert catalog.revision() == before


def test_a_day_has_every_version_that_was_in_service_on_it(catalog: Catalog) -> None:
    for row in (
        change(None, "1", MONDAY),
        change("1", "2", MONDAY + timedelta(days=2)),
        change("2", "1", MONDAY + timedelta(days=2, hours=1)),
        change("1", None, MONDAY + timedelta(days=4)),
        change(None, "3", datetime(2026, 11, 22, tzinfo=UTC)),
    ):
        add_promotion(catalog, row)
    found = {
        day: [row.to_version for row in in_service_on(catalog, "mood", date(2026, 11, day))]
        for day in (15, 16, 17, 18, 19, 20, 21, 22, 23)
    }
    assert found == {
        15: [],
        16: ["1"],
        17: ["1"],
        18: ["1", "2", "1"],
        19: ["1"],
        20: ["1"],  # until half past four
        21: [],
        22: ["3"],  # from its first moment
        23: ["3"],
    }
