"""Floor 3: doors through which we talk to the outside. Outlets know the model alone."""
