"""Loading a batch: archived files to the fates of their rows, in one transaction. Judging a row is `validation`."""
