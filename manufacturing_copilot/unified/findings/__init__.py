"""What cannot be used or cannot be right in what came, as frames that a person can read."""
