"""The flows: push at once, compare once a night, follow what converts or merges."""
