"""The audit is kept by the name of what it looked at: the data, the declared split, and its own code."""

import json
from pathlib import Path

from harness.competition import Competition
from harness.files import short_hash
from harness.prepared import content_hash
from harness.samples import Dataset
from harness.store import canonical


def audit_name(competition: Competition, dataset: Dataset) -> str:
    declared = canonical([competition.split, competition.holdout, competition.task.classes])
    code = [file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py"))]
    return short_hash(content_hash(dataset), json.dumps(declared, sort_keys=True), *code)
