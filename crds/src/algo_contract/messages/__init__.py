"""What processes hand one another: one file a message, with its shape, writer and strict reader."""
