"""What of a user's images is not used, in sentences: files that are no images, broken ones, stray ones."""

from dataclasses import dataclass, field
from pathlib import Path

from euinet.data.sets.layout import Layout
from euinet.errors import DataError
from euinet.images.geometry import IMAGE_SUFFIXES
from euinet.images.names import HIDDEN, PassedOver
from euinet.system.notify import Notify
from euinet.system.words import counted


@dataclass
class NotUsed:
    """Counts what was left out, and tells of it."""

    passed: PassedOver = field(default_factory=PassedOver)
    beside: int = 0  # images in no class
    total: int = 0  # images in classes
    broken: int = 0  # of these
    first: str = ""  # why the first of the broken ones cannot be used, a sentence

    def add_broken(self, why: str) -> None:
        """Count an image that cannot be used."""
        self.first = self.first or why
        self.broken += 1

    def tell(self, notify: Notify) -> None:
        """Say what was left out, one sentence a kind; nothing where nothing was."""
        if self.passed.count:
            notify(self.passed.sentence())
        if self.broken:
            notify(f"{self.broken} of {self.total} images were left out, the first because {self.first}")
        if self.beside:
            notify(f"{counted(self.beside, 'image')} in no class, beside the class folders: passed over.")


def images_beside(folder: Path, layout: Layout) -> int:
    """Count the images beside class folders, and the links there: a dead one may have led to a class."""
    used = {place for classes in layout.parts.values() for place in classes.values()}
    places = {folder, *(place.parent for place in used)}
    return sum(
        path.name[0] != HIDDEN and (path.suffix.lower() in IMAGE_SUFFIXES or path.is_symlink())
        for place in places
        for path in set(place.iterdir()) - used - places
    )


def no_images(folder: Path, first: str = "") -> DataError:
    """Return the error for a class folder without images that can be used; `first`: why the first cannot."""
    if first:
        return DataError(f"No image of the class folder {folder} can be read; the first: {first}")
    return DataError(
        f"The class folder {folder} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}): "
        "put images into it or take the folder out."
    )
