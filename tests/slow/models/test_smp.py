"""Every pair of decoder and encoder that a search tries is a network."""

import pytest

from harness.models.smp import ARCHITECTURES, ENCODERS, Smp


@pytest.mark.soak
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_decoder_takes_every_encoder(architecture: str, encoder: str) -> None:
    import torch

    network = Smp(architecture, encoder=encoder).network(3)
    assert network(torch.zeros(2, 1, 64, 128)).shape == (2, 3, 64, 128)
