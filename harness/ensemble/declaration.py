"""What a competition declares of its ensemble: `blend`, perhaps with a class specialist."""

from dataclasses import dataclass
from typing import NamedTuple


class SpecialistRole(NamedTuple):
    """A model that may change the probability of one class. versus: the one other class that it tells it from; None
    for all others."""

    model: str
    target_class: int
    versus: int | None = None


@dataclass(frozen=True)
class Blend:
    """An ensemble of the models `names`. views: whether the competition declares any for test-time augmentation.

    specialist_roles: only one specialist is used; a later one must win against an earlier one.
    """

    names: tuple[str, ...]
    specialist_roles: tuple[SpecialistRole, ...] = ()
    views: bool = True

    @property
    def specialist(self) -> str | None:
        """The name of the first specialist: the one that is declared."""
        return self.specialist_roles[0].model if self.specialist_roles else None

    @property
    def members(self) -> tuple[str, ...]:
        """Every model that may take part."""
        return (*self.names, *(role.model for role in self.specialist_roles))


def blend(*names: str, specialist: str | None = None, target_class: int | None = None) -> Blend:
    """Declare an ensemble of these models, all general ones where none is named.

    specialist: the name of a model that may change the probability of `target_class`.

    >>> blend("unet", "fpn", specialist="big_rock", target_class=4).members
    ('unet', 'fpn', 'big_rock')
    """
    if (specialist is None) != (target_class is None):
        raise ValueError("specialist and target_class are declared together")
    roles = () if specialist is None or target_class is None else (SpecialistRole(specialist, target_class),)
    return Blend(names, roles)
