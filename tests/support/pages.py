"""A page as a test reads it."""

from html.parser import HTMLParser


class PageReader(HTMLParser):
    """The text of a page, the tags that stay open, the pictures inside it, and what it would load from elsewhere.

    inline: scripts, handlers and styles in the page itself, which a strict content policy forbids.
    """

    VOID = frozenset({"meta", "br", "img", "link", "input"})

    def __init__(self, page: str):
        super().__init__()
        self.text, self.loads, self.pictures = "", list[str](), list[str]()
        self.open, self.inline = list[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        sources = [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]
        self.pictures += [value for value in sources if value.startswith("data:image/")]
        self.loads += [value for value in sources if not value.startswith("data:")]
        self.inline += [f"{tag} {name}" for name, _ in attributes if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in dict(attributes)):
            self.inline.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        """A tag that closes itself opens nothing."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data
