"""Pages as a browser takes them apart."""

from html.parser import HTMLParser

HOSTILE = "<script>alert('x')</script> \"&amp;\" {{ 7 * 7 }} javascript:alert(1)"
"""A title that is meant as text."""


class Page(HTMLParser):
    """A page's elements, its text, and the addresses of its pictures and links."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.pictures: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        values = dict(attrs)
        if tag == "img":
            self.pictures.append(values["src"] or "")
        if tag == "a":
            self.links.append(values["href"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data
