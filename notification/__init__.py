"""The notification service: takes intents from a stream, decides who hears of them by which route, and publishes.

It owns records, routes and their history; it owns neither accounts (the backend's) nor mails (the mail service's) nor
streams to players (the gateway's).
"""
