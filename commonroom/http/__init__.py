"""HTTP: guests, tokens, rooms, history, health, metrics and the page. Reaches actors by address and message."""
