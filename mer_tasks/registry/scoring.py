"""The moods of all songs that have a clip, by the version in service; what was answered before is kept."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.predictions import ClipAnswer, record_answers, unscored_clips
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.progress import progress
from mer_tasks.registry.lookup import FoundVersion, find_version
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.process import SongError
from mer_tasks.settings import Machine
from mer_tasks.workspace import clip_key

BATCH = 20
"""Songs a transaction: a process that is killed has lost seconds of work."""

SONGS_A_PROCESS = 10
"""A further process of the version pays from so many songs on: starting one takes seconds."""


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """What came of scoring songs with a version.

    `new` songs got a mood, for `unusable` ones the version has none for good; `lost` were not answered this time,
    and are asked again: their clip is missing or altered, or the process ended. Each by track_id, with its reason.
    """

    version: str
    new: int
    unusable: dict[str, str]
    lost: dict[str, str]

    def check(self) -> None:
        """See that not all songs were lost.

        Raises:
            UnavailableError: they were.
        """
        if self.lost and not self.new and not self.unusable:
            reason = next(iter(self.lost.values()))
            raise UnavailableError(f"{self.version}: answered none of {len(self.lost)} songs: {reason}")


def score_songs(catalog: Catalog, machine: Machine, uri: str, limit: int | None = None) -> ScoreReport:
    """Ask the version at `uri` for every song whose newest clip it has not answered, and keep the answers.

    Any process may be killed and run again: only what was not yet kept is asked again.

    Raises:
        InputError: there is no such version, or it cannot answer here as when it was registered.
        UnavailableError: MLflow cannot be reached now, or the version answered no song.
    """
    version = find_version(machine, uri)
    report = ask_for(catalog, machine, version, unscored_clips(catalog, version.model_id)[:limit])
    report.check()
    return report


def ask_for(
    catalog: Catalog, machine: Machine, version: FoundVersion, wanted: Sequence[tuple[str, str]]
) -> ScoreReport:
    """Ask a version for songs' clips, each a track_id and a SHA-256, and keep the answers in the catalog.

    Raises:
        InputError: the version cannot answer here as when it was registered.
        UnavailableError: MLflow cannot be reached now.
    """
    unusable, lost, new = dict[str, str](), dict[str, str](), 0
    for answers, failures in _answers(machine, f"models:/{version.name}/{version.number}", wanted):
        record_answers(catalog, version.model_id, version.number, answers)
        new += sum(answer.mood is not None for answer in answers)
        unusable |= {answer.track_id: answer.reason for answer in answers if answer.reason}
        lost |= failures
    return ScoreReport(str(version), new, unusable, lost)


Answered = tuple[list[ClipAnswer], dict[str, str]]
"""The answers to keep of a batch, and the songs to ask for again with the reason."""


def _answers(machine: Machine, uri: str, wanted: Sequence[tuple[str, str]]) -> Iterator[Answered]:
    """Ask processes of the version side by side, batch by batch."""
    if not wanted:
        return
    n_processes = min(machine.n_workers, -(-len(wanted) // SONGS_A_PROCESS))
    batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    with RegisteredModel(machine, uri, n_processes) as model, ThreadPoolExecutor(n_processes) as pool:
        for batch in progress(batches, len(batches), "score", f"{BATCH} songs"):
            found = list(pool.map(lambda clip: _ask(model, machine, *clip), batch))
            answers = [one for one in found if isinstance(one, ClipAnswer)]
            yield answers, dict(one for one in found if not isinstance(one, ClipAnswer))


def _ask(
    model: RegisteredModel, machine: Machine, track_id: str, sha256: str
) -> ClipAnswer | tuple[str, str]:
    """What the version answers for a song; the song and the reason where it is to be asked again."""
    try:
        found, tags = model.answer(machine.clip_store.local(clip_key(sha256)))
    except InputError as error:
        if isinstance(error.__cause__, SongError):
            return ClipAnswer(track_id, sha256, reason=str(error.__cause__))
        if isinstance(error.__cause__, OSError):
            return track_id, f"{error}; run mer verify, then mer clips"
        raise
    except FileNotFoundError:  # of a store that is elsewhere
        return track_id, "its clip is missing from the clip store; run mer verify, then mer clips"
    except UnavailableError as error:
        return track_id, str(error)
    return ClipAnswer(track_id, sha256, found, tags=tags)
