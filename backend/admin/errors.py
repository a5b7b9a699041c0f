"""Refusals of the room `admin`.

Refusal
├── LoginRefused            unauthenticated (does not say what was wrong)
├── TotpRequired            unauthenticated
├── LockedOut               too many
├── SessionOver             unauthenticated
├── RoleTooLow              forbidden
├── PasswordWrong           forbidden
├── TotpWrong               forbidden
├── TotpNotBegun            conflict
├── LoginTaken              conflict
├── LastOwner               conflict
└── OperatorNotFound        not found
"""

from kit.refusals import Refusal, RefusalKind


class LoginRefused(Refusal):
    """Login, password or code are not right."""

    code = "admin.login_refused"
    kind = RefusalKind.UNAUTHENTICATED


class TotpRequired(Refusal):
    """This operator signs in with a code of their authenticator too."""

    code = "admin.totp_required"
    kind = RefusalKind.UNAUTHENTICATED


class LockedOut(Refusal):
    """Too many wrong passwords; wait a minute."""

    code = "admin.locked_out"
    kind = RefusalKind.TOO_MANY


class SessionOver(Refusal):
    """Sign in as an operator."""

    code = "admin.unauthenticated"
    kind = RefusalKind.UNAUTHENTICATED


class RoleTooLow(Refusal):
    """This call asks for a higher role."""

    code = "admin.forbidden"
    kind = RefusalKind.FORBIDDEN


class PasswordWrong(Refusal):
    """The present password is not right."""

    code = "admin.password_wrong"
    kind = RefusalKind.FORBIDDEN


class TotpWrong(Refusal):
    """This is not the authenticator's code, or it was used already."""

    code = "admin.totp_wrong"
    kind = RefusalKind.FORBIDDEN


class TotpNotBegun(Refusal):
    """Ask for a secret first."""

    code = "admin.totp_not_begun"
    kind = RefusalKind.CONFLICT


class LoginTaken(Refusal):
    """There is an operator of that login."""

    code = "admin.login_taken"
    kind = RefusalKind.CONFLICT


class LastOwner(Refusal):
    """Somebody must remain an owner."""

    code = "admin.last_owner"
    kind = RefusalKind.CONFLICT


class OperatorNotFound(Refusal):
    """There is no such operator."""

    code = "admin.operator_not_found"
    kind = RefusalKind.NOT_FOUND
