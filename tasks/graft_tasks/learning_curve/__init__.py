"""How much transfer saves: accuracy against rows for several learners, cell by cell."""
