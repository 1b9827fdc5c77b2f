"""How strong the specs are: what becomes of wrong and right answers. Knows the course and its runs."""
