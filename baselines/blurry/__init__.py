"""The input itself: the floor every method has to leave."""
