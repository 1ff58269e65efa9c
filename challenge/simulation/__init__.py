"""Training data made from photographs: a camera path, an event camera, the data sets of them."""
