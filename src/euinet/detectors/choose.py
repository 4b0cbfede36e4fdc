"""Detectors' names, and what a user may write for them."""

from __future__ import annotations

import difflib

from euinet.detectors.catalogue import OWN, POSTHOC, Entry
from euinet.errors import UsageError

ENTRIES = {entry.name: entry for entry in (*OWN, *POSTHOC)}
GROUPS = {"all": (*OWN, *POSTHOC), "own": OWN, "posthoc": POSTHOC}


def detector_names() -> tuple[str, ...]:
    """Return every detector's name, EuiNet's own first, then pytorch-ood's."""
    return tuple(ENTRIES)


def choose_detectors(text: str, *, gan_discriminator: bool = True) -> tuple[str, ...]:
    """Return the names that `text` asks for: "all", "own", "posthoc", names, or several with commas between.

    Case does not matter, and "-" and "_" are as good as a space. Each name comes once, where it is first
    asked for. With `gan_discriminator` False the groups leave out what needs the GAN's discriminator.
    Raises UsageError for a name that is not there.
    """
    chosen: dict[str, None] = {}
    for wanted in text.split(","):
        chosen |= dict.fromkeys(_names(wanted, gan_discriminator))
    return tuple(chosen)


def entry(name: str) -> Entry:
    """Return the catalogue's entry `name`. Raises UsageError where there is none."""
    if name not in ENTRIES:
        raise _unknown(name)
    return ENTRIES[name]


def _names(wanted: str, gan_discriminator: bool) -> list[str]:
    if _plain(wanted) in GROUPS:
        group = GROUPS[_plain(wanted)]
        return [entry.name for entry in group if gan_discriminator or not entry.needs_gan]
    found = [name for name in ENTRIES if _plain(name) == _plain(wanted)]
    if not found:
        raise _unknown(wanted)
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", " ").replace("_", " ")


def _unknown(name: str) -> UsageError:
    spelled = {_plain(known): known for known in (*GROUPS, *ENTRIES)}
    close = difflib.get_close_matches(_plain(name), spelled, n=1)
    hint = f" Did you mean '{spelled[close[0]]}'?" if close else ""
    return UsageError(
        f"There is no detector '{name.strip()}'.{hint} Choose all, own, posthoc, or some of "
        f"{', '.join(ENTRIES)}, with commas between."
    )
