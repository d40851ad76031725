"""Where players look for a song's mood in its file: ID3's TMOO or TXXX:MOOD, Vorbis's MOOD, MP4's freeform atom."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import mutagen
from mutagen._vorbis import VCommentDict
from mutagen.id3 import ID3, TMOO, TXXX, Encoding, ID3FileType
from mutagen.mp4 import AtomDataType, MP4FreeForm, MP4Tags

from mer_tasks.errors import InputError
from mer_tasks.files import open_regular

ATOM = "----:com.apple.iTunes:MOOD"
COMMENT = "MOOD"
FRAMES = {3: "TXXX:MOOD", 4: "TMOO"}
"""By the version of ID3v2: 2.3 has no frame of its own for a mood."""

ID3V1_BYTES = 128


def read_moods(path: Path) -> list[str]:
    """The moods that a song's tags hold, as they stand there.

    Raises:
        InputError: it is no audio file, or one without a known place for a mood; says so without the file's name.
    """
    tags = _opened(path).tags
    if isinstance(tags, ID3):
        frame = tags.get(FRAMES[tags.version[1]])  # type: ignore[no-untyped-call]
        return [str(text) for text in frame.text] if frame else []
    if isinstance(tags, MP4Tags):
        return [bytes(value).decode(errors="replace") for value in tags.get(ATOM, [])]  # type: ignore[no-untyped-call]
    return list(tags.get(COMMENT, []))


def write_moods(path: Path, moods: list[str]) -> None:
    """Put moods in the place of those in a song's tags, or take them out; all else stays as it is.

    A file without tags gets some, and loses ID3 tags that would be empty. Not atomic: give it a copy.

    Raises:
        InputError: as of `read_moods`.
    """
    file = _opened(path)
    tags = file.tags
    if isinstance(tags, ID3):
        _write_id3(path, file, moods)
        return
    key = ATOM if isinstance(tags, MP4Tags) else COMMENT
    if key in tags:
        del tags[key]
    if moods:
        tags[key] = [MP4FreeForm(m.encode(), AtomDataType.UTF8) for m in moods] if key == ATOM else moods  # type: ignore[no-untyped-call]
    file.save()


def _opened(path: Path) -> Any:
    """The file as mutagen knows it, with tags, were they empty; ID3 frames as they stand in it, not as those of another version."""
    with open_regular(path):
        pass  # what is no file is an OSError, which mutagen would have in words of its own
    try:
        file = mutagen.File(path)
        if isinstance(file, ID3FileType) or isinstance(getattr(file, "tags", None), ID3):
            file = type(file)(path, translate=False, load_v1=False)
    except mutagen.MutagenError as error:
        raise InputError(f"its tags cannot be read ({error}); is it a song?") from error
    if file is None:
        raise InputError("is no audio file whose tags are known")
    if file.tags is None:
        with suppress(mutagen.MutagenError, NotImplementedError):  # of a kind of file that has none
            file.add_tags()
    if isinstance(file.tags, ID3) and file.tags.version[1] not in FRAMES:
        raise InputError("has tags of ID3v2.2, which have no place for a mood; write them anew as ID3v2.4")
    if not isinstance(file.tags, ID3 | MP4Tags | VCommentDict):
        raise InputError(f"{type(file).__name__} files have no place for a mood that players read")
    return file


def _write_id3(path: Path, file: Any, moods: list[str]) -> None:
    """Write frames of the version that is there (2.4 where there is none); ID3v1's bytes at the end stay."""
    tags = file.tags
    minor = tags.version[1]
    tags.delall(FRAMES[minor])
    if moods:
        frame = TXXX(desc="MOOD") if minor == 3 else TMOO()  # type: ignore[no-untyped-call]
        frame.encoding = Encoding.LATIN1 if "".join(moods).isascii() else Encoding.UTF16
        frame.text = moods
        tags.add(frame)
    if not tags and not tags.unknown_frames:
        tags.delete(path, delete_v1=False) if isinstance(file, ID3FileType) else tags.delete(path)
        return
    old = _id3v1(path)
    tags.save(path, v2_version=minor, v23_sep=None)
    if old and _id3v1(path):
        with path.open("r+b") as written:
            written.seek(-ID3V1_BYTES, 2)
            written.write(old)


def _id3v1(path: Path) -> bytes:
    """The ID3v1 tags at a file's end, or none."""
    with path.open("rb") as file:
        if file.seek(0, 2) < ID3V1_BYTES:
            return b""
        file.seek(-ID3V1_BYTES, 2)
        end = file.read()
    return end if end.startswith(b"TAG") else b""
