"""One item master, whatever each system calls an item. How items are made belongs in `structure`."""
