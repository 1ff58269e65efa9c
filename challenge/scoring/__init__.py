"""The score: metrics as pure functions, profiles that name sets of them, folders scored whole."""
