"""What a browser reaches: the gate before every page, and the server. What a page shows is made in its own room."""
