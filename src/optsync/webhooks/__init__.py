"""What mail providers tell us (incoming), what programs elsewhere hear (outgoing), and the one door out: `egress`."""
