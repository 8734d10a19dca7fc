"""What a program meets: the REST interface, version 1, one file for each resource."""

PACKAGE = "optsync.api"
