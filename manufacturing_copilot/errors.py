"""The errors a person reads. Each carries one sentence: what was found, what was expected, what to do."""


class CopilotError(Exception):
    """Something that a user can mend; its text is the sentence the user sees."""


class SiteError(CopilotError):
    """A site's YAML says something that cannot be; names the file, the line and the key."""


class StoreError(CopilotError):
    """The database cannot be used as it is."""


class BatchError(CopilotError):
    """A batch, or a file of it, cannot be loaded; it is marked failed and nothing of it is kept."""


class UnreadableFilesError(BatchError):
    """Files of a batch that cannot be loaded while its others can: number of the file → the sentence."""

    def __init__(self, problems: dict[int, str]) -> None:
        """Report the problems of these files."""
        super().__init__("; ".join(problems.values()))
        self.problems = problems


class ModelError(CopilotError):
    """A model cannot be registered, found or run."""


class DeliveryError(CopilotError):
    """A message cannot be addressed or rendered."""
