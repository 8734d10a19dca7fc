"""What an operator meets: the `optsync` command. One module per command or family, loaded only when it is called."""
