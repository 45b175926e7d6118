"""Floor 1: pure judgement and transformation. No clock, socket, file, randomness or logging; time and ids come in."""
