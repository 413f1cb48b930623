"""What cannot be used or cannot be right in what came, as frames to read. Nothing is corrected here."""
