"""Detectors' names, and what a user may write for them."""

from collections.abc import Iterable

from euinet.detectors.catalogue import DETECTORS, OWN, POSTHOC, Entry
from euinet.errors import UnknownNameError
from euinet.system.close import did_you_mean, plain_name


def choose_detectors(text: str, *, gan_discriminator: bool = True) -> tuple[str, ...]:
    """Return the names that `text` asks for: "all", "own", "posthoc", names, or several with commas between.

    Case does not matter, and "-" and "_" are as good as a space. Each name comes once, where it is first
    asked for. "all" has other packages' detectors too, but for those that cannot be had, which are warned of.
    With `gan_discriminator` False the groups leave out what needs the GAN's discriminator. Raises
    UnknownNameError for a name that is not there or cannot be had.
    """
    chosen: dict[str, None] = {}
    for wanted in text.split(","):
        group = _group(plain_name(wanted))
        if group is None:
            chosen[_entry(wanted).name] = None
        else:
            chosen |= {one.name: None for one in group if gan_discriminator or not one.needs_gan}
    return tuple(chosen)


def _group(name: str) -> Iterable[Entry] | None:
    if name == "all":
        return DETECTORS.all().values()
    return {"own": OWN, "posthoc": POSTHOC}.get(name)


def _entry(wanted: str) -> Entry:
    names = DETECTORS.names()
    for name in names:
        if plain_name(name) == plain_name(wanted):
            return DETECTORS[name]
    hint = did_you_mean(wanted, ("all", "own", "posthoc", *names))
    raise UnknownNameError(
        f"There is no detector '{wanted.strip()}'.{hint} Choose all, own, posthoc, or some of "
        f"{', '.join(names)}, with commas between."
    )
