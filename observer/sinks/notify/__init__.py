"""Notifications for people: grouped, worded by a template, sent by Slack, a webhook or apprise."""

from observer.sinks.notify.senders import AppriseSender, SlackSender, WebhookSender
from observer.sinks.notify.sink import Grouping, NotifySink, Subscription

__all__ = ["AppriseSender", "Grouping", "NotifySink", "SlackSender", "Subscription", "WebhookSender"]
