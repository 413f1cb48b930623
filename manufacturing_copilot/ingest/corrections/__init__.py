"""What a person undoes or mends of a loaded batch: withdraw, restore, mend and replay rejected rows."""
