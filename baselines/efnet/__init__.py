"""EFNet: the challenge's baseline network, its data, its training and its use."""
