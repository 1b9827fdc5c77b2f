"""What the spec tests are written with: observe, then judge."""
