"""The errors that a person can cause. The command line prints their sentence and exits with code 2."""


class UserError(Exception):
    """Something that a person wrote or provided is wrong; the message names it and says what would be right."""


class InvalidSubmission(UserError):
    """A submission file that breaks the format; the message names the row and the column."""
