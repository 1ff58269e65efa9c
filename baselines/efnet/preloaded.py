"""What workers need, imported once by the bare process that they are forked from."""

from baselines.efnet import crops as crops
from challenge.representations.speed import compiled

compiled()
