"""docs/benchmarks.md: each command that measures has a part of it, between two marks, and replaces that part only."""
from builds import ROOT
from workspace import BenchError

PAGE = ROOT / "docs/benchmarks.md"


def write(begin, end, text):
    """Puts a text between two marks; everything else on the page stays."""
    page = PAGE.read_text()
    if page.count(begin) != 1 or end not in page.split(begin)[1]:
        raise BenchError(f"{PAGE} has no place for the figures: the marks are {begin} and {end}")
    head, rest = page.split(begin)
    PAGE.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end, 1)[1]}")
