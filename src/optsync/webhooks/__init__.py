"""What programs elsewhere hear from us (outgoing webhooks), and the one door through which it leaves: `egress`."""
