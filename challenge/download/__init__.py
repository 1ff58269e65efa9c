"""Data sets and weights from where their authors keep them: addresses, transfer, unpacking."""
