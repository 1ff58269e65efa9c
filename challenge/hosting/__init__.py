"""Bundles for CodaLab v1 and Codabench v2, their linter, and both platforms at home."""
