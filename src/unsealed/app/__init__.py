"""Floor 4: builds and runs things. The only place that reads settings, the clock and the environment."""
