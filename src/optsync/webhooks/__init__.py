"""What a mail provider tells us (incoming), and what a sender hears from us (outgoing), through one door: `egress`."""
