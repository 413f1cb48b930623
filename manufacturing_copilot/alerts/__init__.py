"""What needs a person: rules over facts, the life of each alert, and its evidence in words.

Who is told of an alert, and how, belongs to `notify`.
"""
