"""Restorers that turn a blurry frame and its events into a sharp one; one folder each."""
