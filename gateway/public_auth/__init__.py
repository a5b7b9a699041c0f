"""The public calls that the gateway hands to the backend under the same path: sign-in, and the links in mails."""
