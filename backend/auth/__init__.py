"""Sign-in by a code from the mailbox, and the device sessions that follow from it.

Owns challenges, device sessions and their cache, the links of new-device mails. Leaves accounts to `users`, and checking
signatures to the gateway.
"""
