"""The mean of several systems' probabilities: where they err apart, it errs less than the best of them."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator
from pydantic_core import PydanticCustomError

from mer_tasks.errors import InputError
from mer_tasks.settings import OUR_RULE, TABLES, Queue, SystemSettings, TorchSettings, member_settings

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.models import Shapes

READS = TABLES
QUEUE: Queue = "default"


def _member(value: object) -> object:
    if isinstance(value, SystemSettings):
        return value
    try:
        settings = member_settings(value, "member")
    except InputError as error:
        raise PydanticCustomError(OUR_RULE, "{problem}", {"problem": str(error)}) from error
    if isinstance(settings, TorchSettings | Settings):
        raise PydanticCustomError(
            OUR_RULE,
            "{system} cannot be a member; take one that is neither trained by epochs nor a mean",
            {"system": settings.system},
        )
    return settings


class Settings(SystemSettings):
    """The models whose mean it is, each with its system and that one's keys; it reads what they read."""

    members: Annotated[
        tuple[Annotated[SerializeAsAny[SystemSettings], BeforeValidator(_member)], ...], Field(min_length=2)
    ]

    @model_validator(mode="before")
    @classmethod
    def _reads_what_its_members_read(cls, values: Any) -> Any:
        """Fill in `reads`: each representation once, in the order of the members."""
        if not isinstance(values, dict) or "reads" in values:
            return values
        read = [one.get("reads", ()) for one in values.get("members", ()) if isinstance(one, dict)]
        names = [name for one in read for name in ([one] if isinstance(one, str) else one)]
        return {**values, "reads": tuple(dict.fromkeys(names))}

    @model_validator(mode="after")
    def _names_all_that_is_read(self) -> "Settings":
        if missing := {name for one in self.members for name in one.reads} - {*self.reads}:
            raise PydanticCustomError(
                OUR_RULE,
                "reads: leaves out {name}, which a member reads; take it out",
                {"name": min(missing)},
            )
        return self

    @property
    def systems(self) -> tuple[str, ...]:
        """Its own and its members'."""
        return (self.system, *(one.system for one in self.members))


def build(settings: Settings, shapes: "Shapes", seed: int, device: str) -> "Pipeline":
    """An unfitted classifier of rows of features, shape (n, n_features)."""
    import numpy as np
    from sklearn.pipeline import make_pipeline

    from mer_tasks.classifiers.mean import MeanClassifier
    from mer_tasks.models import build_model

    ends = np.cumsum([0, *(columns for (columns,) in shapes)])
    columns = {name: np.arange(*ends[place : place + 2]) for place, name in enumerate(settings.reads)}
    shape = dict(zip(settings.reads, shapes, strict=True))
    members = [
        (
            f"{place}-{one.system}",
            np.concatenate([columns[name] for name in one.reads]),
            build_model(one, tuple(shape[name] for name in one.reads), seed, device),
        )
        for place, one in enumerate(settings.members)
    ]
    return make_pipeline(MeanClassifier(members))
