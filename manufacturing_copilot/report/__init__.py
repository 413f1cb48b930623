"""How things stand, for people: the status on a terminal and the report page with its cards and pictures.

It reads what the stages wrote and writes nothing but its page; what needs a person is decided in `alerts`.
"""
