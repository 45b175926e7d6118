"""Floor 1: what is kept. The journal, the tables, and the questions that screens ask of them."""
