"""Notifications for people: grouped, worded by a template, sent by Slack, a webhook or apprise."""
