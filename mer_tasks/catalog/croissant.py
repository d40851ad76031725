"""The data set as others' programs read it: a description in Croissant 1.1, a vocabulary of schema.org in JSON-LD.

MLCommons, "Croissant format specification 1.1", http://mlcommons.org/croissant/1.1.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mer_tasks.catalog.dataset import LEFT_OUT_COLUMNS, SEPARATOR, SONG_COLUMNS, Snapshot
from mer_tasks.domain import MOODS, SAMPLE_COLLECTION
from mer_tasks.files import write_text

FILE = "croissant.json"

CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""How the specification has its terms written."""

TYPES = {"str": "sc:Text", "float64": "sc:Float", "Int64": "sc:Integer"}

DESCRIPTIONS = {
    "track_id": "The song's id in its collection.",
    "mood": f"The mood that sources agree on: one of {', '.join(MOODS)}. Empty for a song that is left out for having none.",
    "collections": f"The collections that list the song, joined by {SEPARATOR}.",
    "clip_sha256": "The SHA-256 of the clip's bytes, by which the clip store and the feature store name it.",
    "clip_start_s": "Where in the song the clip begins, in seconds.",
    "clip_loudness_lufs": "The clip's integrated loudness (EBU R 128).",
    "reason": "Why the song is not in the data set.",
}
"""Of columns whose names do not say what they hold."""


def write_croissant(snapshot: Snapshot, folder: Path) -> None:
    """Write the description of the data set that `write_snapshot` wrote into `folder`; the same data, the same bytes.

    It has no date and no licence: the day is not in the data, and each song has a licence of its own.
    """
    described = croissant(
        snapshot, {name: (folder / name).read_bytes() for name in ("songs.csv", "left_out.csv")}
    )
    write_text(folder / FILE, json.dumps(described, indent=1, ensure_ascii=False) + "\n")


def croissant(snapshot: Snapshot, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The description of a data set whose `files` hold these bytes, as JSON-LD."""
    collections = sorted({name for names in snapshot.songs["collections"] for name in names.split(SEPARATOR)})
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": "music-moods",
        "description": _description(snapshot, collections),
        "keywords": ["music", "mood", *collections],
        "isLiveDataset": False,
        "distribution": [_file(name, content) for name, content in files.items()],
        "recordSet": [
            _records("songs", "songs.csv", SONG_COLUMNS),
            _records("left_out", "left_out.csv", LEFT_OUT_COLUMNS),
        ],
    }


def _description(snapshot: Snapshot, collections: list[str]) -> str:
    counts = snapshot.songs["mood"].value_counts()
    moods = ", ".join(f"{counts.get(mood, 0)} {mood}" for mood in MOODS)
    made = ""
    if SAMPLE_COLLECTION in collections:
        made = f" The songs of the collection {SAMPLE_COLLECTION} are synthetic: no music, but made by a program."
    return (
        f"{len(snapshot.songs)} songs, each with one mood ({moods}), of the collections {', '.join(collections)}; and"
        f" {len(snapshot.left_out)} songs that were left out, with the reason.{made} The audio is not part of it."
    )


def _file(name: str, content: bytes) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{len(content)} B",
        "encodingFormat": "text/csv",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _records(name: str, file: str, columns: Mapping[str, str]) -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "description": DESCRIPTIONS.get(column, f"The song's {column.replace('_', ' ')}."),
            "dataType": TYPES[dtype],
            "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
        }
        for column, dtype in columns.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/track_id"},
        "field": fields,
    }
