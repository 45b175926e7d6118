"""Floor 0: frozen values, their words, the errors and the few Protocols. Imports nothing of ours."""
