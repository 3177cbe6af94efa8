"""``observer report``: the health summary of a span of time, as text, HTML, a Slack message or JSON."""
