"""Floor 2: the walks. Each module takes a cause through core and store in one transaction."""
