"""Names as people type them."""

from collections.abc import Iterable


def name_meant(typed: str, names: Iterable[str]) -> str | None:
    """The one of these names that is meant: "relu" or "ReLU", "cross_entropy" or "cross-entropy".

    The name itself, or else the only one that differs in nothing but capitals, hyphens and
    underscores; None if there is no such name, or several.
    """
    known = list(names)
    if typed in known:
        return typed
    meant = [name for name in known if plain(name) == plain(typed)]
    return meant[0] if len(meant) == 1 else None


def plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
