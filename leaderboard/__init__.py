"""Runs side by side: what was scored, read into one pandas table. No torch, no baselines."""
