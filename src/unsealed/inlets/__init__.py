"""Floor 3: doors through which the outside talks to us. Inlets never import outlets."""
