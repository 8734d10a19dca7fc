"""What the product says by itself, to real receivers: HTTP and SMTP servers of the tests' own."""
