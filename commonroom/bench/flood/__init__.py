"""What a server costs others while it is flooded: its memory, what a witness misses, how long a handshake takes."""
