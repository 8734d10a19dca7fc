"""`python -m benchmarks`: each benchmark prints ours and the floor's figures from the same alternating rounds."""
