"""Which code a result comes from: a hash of modules, of all of ours that they import, and of libraries' versions.

What is kept or skipped because "nothing changed" asks this first, so that a mended fault is computed anew and a
reworded comment is not.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from threading import Lock

import grimp

PACKAGE = "mer_tasks"

BY_VALUE = frozenset({f"{PACKAGE}.settings"})
"""Modules that only read settings: their values are looked at wherever they matter, not the code that reads them."""


PARSING = Lock()
"""Two threads that parse at once may fail with a SystemError in CPython 3.11 (compare its issue 106905)."""


def code_identity(*modules: str, without: frozenset[str] = frozenset()) -> str:
    """A short hash of the code that these modules of ours run, comments, docstrings and layout apart.

    Imports inside functions count, imports for type checkers only do not; nor do the modules `without`, whose
    results are depended on in another way.
    """
    ours, libraries = _imported(frozenset(modules), without)
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for module in sorted(ours):
        digest.update(f"{module}\n{_code_of(module)}\n".encode())
    for library in sorted(libraries):
        digest.update(f"{library}=={version(library)}\n".encode())
    return digest.hexdigest()[:16]


@lru_cache
def _imported(modules: frozenset[str], without: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Our modules that these need, themselves included, and the distributions that any of them imports."""
    ours: set[str] = set()
    libraries: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in ours or module in BY_VALUE or module in without:
            continue
        if not module.startswith(f"{PACKAGE}.") and module != PACKAGE:
            libraries.update(_distributions().get(module, ()))
            continue
        ours.add(module)
        waiting += _graph().find_modules_directly_imported_by(module)
        waiting += filter(None, [module.rpartition(".")[0]])  # importing a module runs its package too
    return frozenset(ours), frozenset(libraries)


@lru_cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        PACKAGE, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )


@lru_cache
def _distributions() -> dict[str, Iterable[str]]:
    """The distributions that provide each top-level module; looking for them takes half a second."""
    return dict(packages_distributions())


@lru_cache
def _code_of(module: str) -> str:
    """A module's code as its syntax tree, without docstrings."""
    with PARSING:
        tree = ast.parse(_source(module).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return ast.dump(tree)


def _source(module: str) -> Path:
    path = Path(__file__).parent.joinpath(*module.split(".")[1:])
    package = path / "__init__.py"
    return package if package.is_file() else path.with_suffix(".py")


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a bare string: documentation."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
