"""Loading a batch: from archived files to the fates of their rows, in one transaction."""
