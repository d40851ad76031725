"""Arrays from a TensorFlow 1 checkpoint, without TensorFlow.

`.index` is a LevelDB table without compression: blocks of keys and values, and a footer that says where the
index of blocks lies. A key is a variable's name, its value a protobuf message `BundleEntryProto` with shape,
offset and size. The data file holds the variables' float32, little-endian and row by row.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

FOOTER, MAGIC = 48, bytes.fromhex("57fb808b247547db")
SHAPE, OFFSET, SIZE = 2, 4, 5
"""Fields of `BundleEntryProto`; the shape's dimensions are its field 2, a dimension's size its field 1."""

TRAINING_ONLY = ("Adam", "beta1_power", "beta2_power")
"""Parts of the names of what an optimiser remembers."""


def read_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """The variables by name, float32, but for those that only training needs.

    Raises:
        ValueError: `index` is no such table.
    """
    if index[-len(MAGIC) :] != MAGIC:
        raise ValueError("no index of a TensorFlow checkpoint")
    _, _, offset, size = _numbers(index[-FOOTER:], 4)
    arrays = {}
    for _, place in _entries(index, offset, size):
        for key, value in _entries(index, *_numbers(place, 2)):
            name = key.decode()
            if name and not any(part in name for part in TRAINING_ONLY):
                arrays[name] = _array(value, data)
    return arrays


def _array(entry: bytes, data: bytes) -> np.ndarray:
    fields = dict(_fields(entry))
    dimensions = [dict(_fields(value)) for field, value in _fields(fields[SHAPE]) if field == 2]
    offset = fields.get(OFFSET, 0)
    values = np.frombuffer(data[offset : offset + fields[SIZE]], "<f4")
    return values.reshape([dimension[1] for dimension in dimensions])


def _entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block; a key leaves out what it shares with the one before."""
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    place, end, key = 0, len(block) - 4 - 4 * restarts, b""
    while place < end:
        shared, place = _number(block, place)
        own, place = _number(block, place)
        length, place = _number(block, place)
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The numbers and values of a protobuf message's fields."""
    place = 0
    while place < len(message):
        tag, place = _number(message, place)
        if tag & 7 == 0:
            value, place = _number(message, place)
            yield tag >> 3, value
            continue
        length, place = _number(message, place) if tag & 7 == 2 else (4, place)
        yield tag >> 3, message[place : place + length]
        place += length


def _numbers(content: bytes, n: int) -> list[int]:
    numbers, place = [], 0
    for _ in range(n):
        number, place = _number(content, place)
        numbers.append(number)
    return numbers


def _number(content: bytes, place: int) -> tuple[int, int]:
    """A number in base 128, lowest digits first, and where the next value begins."""
    number = shift = 0
    while True:
        digit = content[place]
        number |= (digit & 127) << shift
        place, shift = place + 1, shift + 7
        if digit < 128:
            return number, place
