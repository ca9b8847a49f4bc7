"""The pretrained backbones of blood at their own size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from competitions.blood.competition import backbones, competition
from harness.data.samples import Samples, numbered
from harness.models import Context
from tests.support import hub


@pytest.mark.soak
@pytest.mark.parametrize("name", backbones)
def test_every_backbone_is_trained_at_its_own_size(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.fill(hub.empty(tmp_path, monkeypatch), backbones[name].backbone)
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3), dtype=np.uint8)
    train = Samples(numbered(4), images, np.arange(4, dtype=np.uint8) * 2, np.arange(4))
    fitted = replace(backbones[name], epochs=1).fit(train, None, Context(competition.task, tmp_path / "fold"))
    assert np.isfinite(fitted.predict(images).astype(np.float32)).all()
