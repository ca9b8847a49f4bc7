"""Submission files for the boards of cars and glas, right ones to begin with."""

import numpy as np

IDS, ANSWERS = ["1", "2", "3", "10", "9007199254740993"], np.array([100.0, 150.0, 90.0, 130.0, 98765.4321])


def cars(*rows, header="id,horsepower"):
    return "\n".join([header, *rows, ""]).encode()


def right(**changed):
    return cars(*(f"{name},{changed.get(f'v{name}', 100)}" for name in IDS))


def glas(runs):
    return f"id,rle\na,{runs}\nb,\nc,\n".encode()
