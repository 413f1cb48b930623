"""Who is told of alerts, when and on which channel: messages, their delivery and its ledger.

What an alert is, and why it was raised, belongs to `alerts`.
"""
