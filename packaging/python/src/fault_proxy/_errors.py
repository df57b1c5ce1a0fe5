"""The exceptions of this package."""


class FaultProxyError(Exception):
    """Base class of the exceptions of this package."""


class ProgramError(FaultProxyError):
    """The program fault-proxy was not found, did not start or has ended."""


class ApiError(FaultProxyError):
    """The control API refused a request. The text is the message of the API."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        #: HTTP status, for example 404 for a proxy that does not exist.
        self.status = status
