"""Notifications for people: grouped, worded by a template, sent by Slack, a webhook or apprise."""

from observer.sinks.notify.senders import AppriseSender, SlackSender, WebhookSender
from observer.sinks.notify.sink import Grouping, Hearing, NotifySink

__all__ = ["AppriseSender", "Grouping", "Hearing", "NotifySink", "SlackSender", "WebhookSender"]
