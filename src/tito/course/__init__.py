"""What there is: the manifest, files, sources, texts. Knows nothing else of tito."""
