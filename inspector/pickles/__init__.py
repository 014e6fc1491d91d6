"""The pickle machine: what a pickle describes, as inert objects; nothing of it is called, imported or hashed."""
