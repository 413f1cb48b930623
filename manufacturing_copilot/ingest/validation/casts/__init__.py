"""Casts: columns of text → columns of numbers, dates and words, with a reason for every value that does not fit."""
