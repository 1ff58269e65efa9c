"""Training data made from photographs: a camera path, an event camera, the embedded data set, and any other."""
