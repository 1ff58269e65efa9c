"""Folders of predictions, scored whole."""
