"""Notifications for players: the Redis stream that the notification service writes and every gateway reads whole."""
