"""What makes a bare machine able to run the kit, and looks whether it is."""
