"""A metric whose intervals a textbook knows."""


class Mean:
    """The mean of one number per row."""

    name, version, higher_is_better, needs = "mean", 1, True, "labels"

    def score(self, statistics, counts=None):
        return statistics.mean() if counts is None else counts @ statistics / counts.sum(-1)

    def by_class(self, statistics, counts=None):
        return {"all": self.score(statistics, counts)}
