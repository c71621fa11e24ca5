"""What any live screen stands on: a terminal, a loop that paints it, a connection, keys and colours."""
