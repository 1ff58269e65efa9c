"""Everything that is wrong with a data set on disk, found in one pass."""

from challenge.datasets.doctor.examine import Diagnosis, examine

__all__ = ["Diagnosis", "examine"]
