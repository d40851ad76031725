"""What MkDocs adds to the pages of this folder: the project's README, the measurements, and a reference.

The reference is made from the code: commands from the typer app, settings from `params.yaml` and the classes that
check it, DAGs from what they say of themselves.
"""

import ast
import html
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import griffe
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

from mer_tasks import cli
from mer_tasks.cli.app import app
from mer_tasks.settings import PACKAGES, Machine, Params

ROOT = Path(__file__).parents[1]

PACKAGES_OF = {"charts": "mer_tasks.sources.charts", **PACKAGES}
"""The package whose modules check the entries of a section."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside this folder, and those that are made."""
    for path in (ROOT / "README.md", *sorted((ROOT / "benchmarks").glob("*.md"))):
        name = str(path.relative_to(ROOT))
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for name, content in (("commands", commands()), ("settings", settings()), ("dags", dags())):
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead where the pages are in the site, where `docs` is the root."""
    if page.file.src_uri == "README.md":
        return markdown.replace("](docs/", "](")
    if page.file.src_uri.startswith("benchmarks/"):
        return markdown.replace("](../docs/", "](../")
    return markdown.replace("](../benchmarks/", "](benchmarks/")


def commands() -> str:
    """Every command of `mer`, as its help explains it."""
    for module in iter_modules(cli.__path__):
        import_module(f"{cli.__name__}.{module.name}")
    program = typer.main.get_command(app)
    text = get_docs_for_click(obj=program, ctx=typer.Context(program), name="mer", title="Commands")
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+", "", text)  # the page has its own contents
    return html.unescape(re.sub(r"\[/?bold]", "`", text))


def settings() -> str:
    """The sections of `params.yaml` with their comments, the keys of plug-ins, and the machine's variables."""
    parts = ["# Settings", "`params.yaml` has every constant of the work; an unknown key is an error."]
    sections = re.split(r"^(?=\w+:)", (ROOT / "params.yaml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for text in sections[1:]:
        name = text.partition(":")[0]
        kind = Params.model_fields[name].annotation
        about = [] if name in PACKAGES_OF else [inspect.getdoc(kind) or ""]
        parts += [f"## {name}", *about, f"```yaml\n{text.strip()}\n```"]
        if name in PACKAGES_OF:
            parts.append("\n".join(_plugins(PACKAGES_OF[name])))
    return "\n\n".join([*parts, "## Variables", "What differs between machines.", "\n".join(_variables())])


def dags() -> str:
    """Each DAG and its tasks, by what they say of themselves; Airflow is not imported."""
    parts = ["# DAGs", "What runs when. Airflow shows the same under **Docs** of a DAG and of a task."]
    for path in sorted((ROOT / "dags").glob("*.py")):
        for function in _decorated(ast.parse(path.read_text(encoding="utf-8")), "dag"):
            (doc_md,) = (
                keyword.value
                for decorator in function.decorator_list
                if isinstance(decorator, ast.Call)
                for keyword in decorator.keywords
                if keyword.arg == "doc_md"
            )
            parts += [f"## {function.name}", ast.literal_eval(doc_md)]
            tasks = _decorated(function, "task")
            parts.append("\n".join(f"- `{task.name}`: {_first_line(task)}" for task in tasks))
    return "\n\n".join(parts)


def _plugins(package: str) -> Iterator[str]:
    """A line for each module of a package whose keys `params.yaml` may have."""
    for found in iter_modules(import_module(package).__path__):
        module = import_module(f"{package}.{found.name}")
        about = " ".join((inspect.getdoc(module.Settings) or "").split())
        keys = ", ".join(f"`{key}`" for key in module.Settings.model_fields) or "none"
        what = (inspect.getdoc(module) or "").partition("\n")[0]
        yield f"- **{found.name}**: {what} Keys: {keys}. {about if 'Settings' in vars(module) else ''}"


def _variables() -> Iterator[str]:
    """A table of the variables that `Machine` is read from."""
    yield "| variable | if not set | |\n| --- | --- | --- |"
    described = griffe.load("mer_tasks.settings.Machine")
    for name, field in Machine.model_fields.items():
        variable = field.validation_alias or f"MER_{name}".upper()
        default = "" if field.default in (None, "") else f"`{field.default}`"
        docstring = described[name].docstring
        yield f"| `{variable}` | {default} | {' '.join(docstring.value.split()) if docstring else ''} |"


def _decorated(tree: ast.AST, decorator: str) -> list[ast.FunctionDef]:
    """The functions in a module or a function whose decorator is this one, or one of its methods."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(re.match(rf"{decorator}\b", ast.unparse(one)) for one in node.decorator_list)
    ]


def _first_line(function: ast.FunctionDef) -> str:
    return (ast.get_docstring(function) or "").partition("\n")[0]
