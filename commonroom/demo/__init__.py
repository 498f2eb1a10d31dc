"""`commonroom demo`: people who make a server lively, by the same means as any client. Knows only the protocol."""
