"""What one does with a room: its settings, order in it, its invites and members."""
