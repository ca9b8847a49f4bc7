"""What a competition declares of its ensemble: `blend`, and `Overlay` with a specialist."""

from dataclasses import dataclass, replace
from typing import NamedTuple


class SpecialistRole(NamedTuple):
    """A model that may speak for the class `of`. against: the one other class it tells it from, None for all others."""

    by: str
    of: int
    versus: int | None = None


@dataclass(frozen=True)
class Blend:
    """An ensemble of these models. views: whether the competition declares any for test-time augmentation.

    found: specialists beside the declared one; one at a time speaks, and a later one must win against an earlier one.
    """

    names: tuple[str, ...]
    specialist: str | None = None
    of: int | None = None
    views: bool = True
    found: tuple[SpecialistRole, ...] = ()

    @property
    def specialist_roles(self) -> tuple[SpecialistRole, ...]:
        declared = self.specialist is not None and self.of is not None
        return (*([SpecialistRole(str(self.specialist), int(self.of or 0))] if declared else []), *self.found)

    @property
    def members(self) -> tuple[str, ...]:
        """Every model that may take part."""
        return (*self.names, *(each.by for each in self.specialist_roles))


def blend(*names: str) -> Blend:
    return Blend(names)


def Overlay(base: Blend, specialist: str, of: int) -> Blend:  # noqa: N802 - reads as a value in a declaration
    """A blend in which a specialist may speak for the class `of`."""
    return replace(base, specialist=specialist, of=of)
