"""Drawing: plots as SVG for pages, mails and Dagster. What a plot shows belongs to the stage that knows it."""
