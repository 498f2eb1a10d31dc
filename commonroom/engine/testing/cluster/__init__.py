"""Several nodes on virtual time: processes that are stopped and killed, a network that loses, a Redis that forgets."""
