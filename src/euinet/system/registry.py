"""Things with a name to which any installed package may add: backbones, data sets, detectors.

A package adds one in two places: a decorator, which calls `Registry.add` when the package's module is
imported, and in its pyproject.toml the entry point NAME = "package.module", which tells where to look. The
names are known by the entry points alone. So nothing of a package is imported before one of its names is
asked for, and a broken package breaks nothing but its own names.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from euinet.errors import UnknownNameError, UsageError
from euinet.system.close import did_you_mean

Entry = TypeVar("Entry")
_log = logging.getLogger(__name__)


class Registry(Generic[Entry]):
    """Entries of one kind by name: EuiNet's own, then other packages'.

    A name that ends in "/" is a family, and answers for every name that begins with it.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind, self.group = kind, group  # "backbone", and the entry points' group
        self._entries: dict[str, Entry] = {}
        self._modules: dict[str, str] = {}  # name → the module that added it
        self._warned: set[str] = set()

    def add(self, name: str, entry: Entry, module: str) -> None:
        """Take in an entry of `module`, which may later replace it: a notebook's cell is run again.

        Raises UsageError for a name that another module has added, or that could not be asked for.
        """
        if not name or name != name.strip() or "," in name:
            raise UsageError(f"'{name}' cannot be the name of a {self.kind}: give it one without a comma.")
        owner = self._modules.setdefault(name, module)
        if owner != module:
            raise UsageError(
                f"There is a {self.kind} '{name}' already, in {owner}: give that of {module} another name."
            )
        self._entries[name] = entry

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of this name, importing the package that offers it if need be.

        Raises UnknownNameError where there is none, two packages offer it, or one that is broken.
        """
        key = _key(name, self._entries)
        if key is None:
            offers = self._offers()
            key = _key(name, offers)
            if key is None:
                raise UnknownNameError(
                    f"There is no {self.kind} '{name}'.{did_you_mean(name, self.names())} Choose one of "
                    f"{', '.join(self.names())}; what another package adds is there once it is installed."
                )
            self._load(key, offers[key])
        return self._entries[key]

    def __contains__(self, name: str) -> bool:
        """Return whether there is an entry of this name, as far as is known without importing a package."""
        return _key(name, self._entries) is not None or _key(name, self._offers()) is not None

    def names(self) -> tuple[str, ...]:
        """Return EuiNet's own names in their order, then other packages' by the alphabet; imports nothing.

        A package that offers one of EuiNet's own names is warned of, and left out.
        """
        offers = self._offers()
        own = [name for name, module in self._modules.items() if module.startswith("euinet.")]
        for name in own:
            if name in offers and name not in self._warned:
                self._warned.add(name)
                _log.warning(
                    "The %s '%s' of %s is left out: it is a name of EuiNet's own.",
                    *(self.kind, name, _packages(offers[name])),
                )
        return (*own, *sorted({*self._entries, *offers}.difference(own)))

    def all(self) -> dict[str, Entry]:
        """Return every entry by name, in the order of `names`; one that cannot be had is warned of."""
        found = {}
        for name in self.names():
            try:
                found[name] = self[name]
            except UnknownNameError as error:
                _log.warning("%s", error)
        return found

    def _offers(self) -> Mapping[str, Sequence[EntryPoint]]:
        """Return what installed packages offer, by name; 6 ms where 250 are installed."""
        offers: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            offers.setdefault(point.name, []).append(point)
        return offers

    def _load(self, name: str, points: Sequence[EntryPoint]) -> None:
        """Import the module that adds `name`. Raises UnknownNameError where that fails."""
        what = f"The {self.kind} '{name}' of {_packages(points)} cannot be used"
        remedy = f"update or uninstall that package, or choose another {self.kind}."
        if len(points) > 1:
            raise UnknownNameError(f"{what}: two packages have the name; uninstall one of them.")
        before = dict(self._entries), dict(self._modules)
        try:
            points[0].load()
        except Exception as error:  # whatever another's module does when it is imported
            self._entries, self._modules = before
            raise UnknownNameError(f"{what} ({type(error).__name__}: {error}): {remedy}") from error
        if name not in self._entries:
            raise UnknownNameError(f"{what}: {points[0].value} registers no {self.kind} '{name}'; {remedy}")


def _key(name: str, among: Iterable[str]) -> str | None:
    """Return what answers for `name`: itself or its family, "timm/" for "timm/resnet18"; None if neither."""
    return next((key for key in (name, name[: name.find("/") + 1]) if key in among), None)


def _packages(points: Sequence[EntryPoint]) -> str:
    names = sorted(point.dist.name if point.dist else point.module for point in points)
    return f"the package{'s' if len(names) > 1 else ''} {' and '.join(names)}"
