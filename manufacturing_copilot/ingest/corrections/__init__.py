"""What a person undoes or mends of a loaded batch. A batch that nobody touches passes through `loading` alone."""
